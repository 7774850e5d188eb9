from typing import Any

from django.core.management.base import CommandParser

from backups.management.base import BackupCommand, add_limit_argument, limited
from backups.models import BackupExecution
from backups.runs.describe import describe
from backups.service.drops.episodes import summary
from destinations.lib.formats import human_duration, human_size

ROW = "{:36}  {:20}  {:11}  {:13}  {:16}  {:>9}  {:>9}  {}"


class Command(BackupCommand):
    help = "List backups, newest first."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("instance", nargs="?")
        parser.add_argument("--destination", metavar="NAME", help="only at this one")
        parser.add_argument("--status", choices=BackupExecution.Status.values, help="only those")
        add_limit_argument(parser)

    def run(self, **options: Any) -> None:
        executions = BackupExecution.objects.select_related("destination").without_manifest()
        if options["instance"]:
            executions = executions.filter(instance=options["instance"])
        if options["destination"]:
            executions = executions.filter(destination=self.find_destination(options["destination"]))
        if options["status"]:
            executions = executions.filter(status=options["status"])
        rows = limited(executions, options["limit"])
        self.respond([describe(row) for row in rows], table(rows))


def table(executions: list[BackupExecution]) -> str:
    if not executions:
        return "no backups"
    head = ROW.format("id", "instance", "status", "kind", "created (UTC)", "size", "took", "file or error")
    return "\n".join([head, *(_row(execution) for execution in executions)])


def _row(execution: BackupExecution) -> str:
    lost = "missing" if execution.missing_at else ""
    status = "deleted" if execution.deleted_at else lost or execution.status
    return ROW.format(
        execution.pk,
        execution.instance,
        status,
        execution.kind,
        f"{execution.created_at:%Y-%m-%d %H:%M}",
        human_size(execution.compressed_size_bytes),
        human_duration(execution.duration),
        _remark(execution),
    )


def _remark(execution: BackupExecution) -> str:
    dropped = f"  data dropped: {summary(execution)}" if execution.open_drop else ""
    return (execution.backup_filename or execution.error_message) + dropped
