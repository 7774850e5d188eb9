from typing import Any

from django.core.management.base import CommandParser

from backups.management.base import BackupCommand, add_limit_argument, limited
from backups.models import DrillExecution
from backups.service.drill.result import describe_drill
from destinations.lib.formats import human_duration, printable

ROW = "{:36}  {:20}  {:12}  {:11}  {:7}  {:16}  {:>9}  {}"


class Command(BackupCommand):
    help = "List drills and verifications, newest first."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("instance", nargs="?")
        add_limit_argument(parser)

    def run(self, **options: Any) -> None:
        runs = DrillExecution.objects.select_related("execution").without_manifest()
        if options["instance"]:
            runs = runs.filter(instance=options["instance"])
        rows = limited(runs, options["limit"])
        self.respond([describe_drill(run) for run in rows], table(rows))


def table(runs: list[DrillExecution]) -> str:
    if not runs:
        return "no drills"
    head = ROW.format("id", "instance", "kind", "status", "verdict", "created (UTC)", "took", "archive or error")
    rows = [
        ROW.format(
            run.pk,
            run.instance,
            run.kind,
            run.status,
            run.verdict or "-",
            f"{run.created_at:%Y-%m-%d %H:%M}",
            human_duration(run.duration),
            run.error_message or run.execution,
        )
        for run in runs
    ]
    return "\n".join([head, *map(printable, rows)])
