from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from backups.management.base import BackupCommand
from backups.management.output.listing import item_of, lines
from backups.service.retention.plan import plan_prune
from backups.service.retention.rule_change import confirm_rule
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Confirm a retention rule that would delete more than the one before: until then it deletes nothing more."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("destination")
        parser.add_argument("--dry-run", action="store_true", help="print what would be deleted too, change nothing")

    def run(self, **options: Any) -> None:
        destination = self.find_destination(options["destination"])
        plan = plan_prune(destination, timezone.now())
        if not options["dry_run"]:
            confirm_rule(destination, by=operator_name())
        rule = str(plan.rule or "none: everything stays")
        state = "waits for confirmation" if plan.waiting else "is in force"
        goes = [item_of(entry.execution, reason=entry.reason) for entry in plan.waiting]
        data = {"destination": destination.name, "rule": rule, "dry_run": options["dry_run"], "goes": goes}
        head = f"{destination.name}: the rule {rule} {state if options['dry_run'] else 'is confirmed'}"
        self.respond(data, "\n".join([head, *lines({"goes": goes})]))
