from typing import Any

from django.core.management.base import CommandParser

from backups.errors import BackupError
from backups.management.base import BackupCommand
from backups.models import BackupExecution
from backups.runs.describe import describe
from backups.service.drops.episodes import confirm_drop, open_drops, open_episodes
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Confirm that data is gone, or grew, on purpose: from then on the older backups may be pruned."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument(
            "target", metavar="INSTANCE|ID", help="an instance, for its newest backup; or id of a backup"
        )
        parser.add_argument(
            "--component", action="append", default=[], metavar="NAME", help="only in this one (repeatable)"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would be confirmed, change nothing")

    def run(self, **options: Any) -> None:
        target = options["target"]
        if (episode := open_episodes([target]).get(target)) is not None:
            backup = episode.newest
        elif BackupExecution.objects.filter(instance=target).exists():
            raise BackupError(f"The newest backup of {target} has no drop to confirm.", hint="Give the id of a backup.")
        else:
            backup = self.find_backup(target)
        components = options["component"]
        drops = [drop for drop in open_drops(backup) if not components or drop.component in components]
        changed = [] if options["dry_run"] else confirm_drop(backup, by=operator_name(), components=components)
        verb = "would confirm" if options["dry_run"] else "confirmed"
        lines = [f"{verb}  {drop}" for drop in drops] or ["there is no drop to confirm"]
        lines += [f"in {row}" for row in changed]
        done = {"dry_run": options["dry_run"], "confirmed_in": [row.pk for row in changed]}
        self.respond(describe(backup) | done, "\n".join(lines))
