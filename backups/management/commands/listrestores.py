from typing import Any

from django.core.management.base import CommandParser

from backups.management.base import BackupCommand, add_limit_argument, limited
from backups.models import RestoreExecution
from backups.service.restore.describe import describe_restores
from destinations.lib.formats import human_duration, printable

ROW = "{:36}  {:20}  {:11}  {:16}  {:>9}  {}"


class Command(BackupCommand):
    help = "List restores, newest first."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("instance", nargs="?")
        add_limit_argument(parser)

    def run(self, **options: Any) -> None:
        restores = RestoreExecution.objects.select_related("execution").without_manifest()
        if options["instance"]:
            restores = restores.filter(instance=options["instance"])
        rows = limited(restores, options["limit"])
        self.respond(describe_restores(rows), table(rows))


def table(restores: list[RestoreExecution]) -> str:
    if not restores:
        return "no restores"
    head = ROW.format("id", "instance", "status", "created (UTC)", "took", "archive or error")
    rows = [
        ROW.format(
            restore.pk,
            restore.instance,
            restore.status,
            f"{restore.created_at:%Y-%m-%d %H:%M}",
            human_duration(restore.duration),
            restore.error_message or restore.execution or restore.archive_file,
        )
        for restore in restores
    ]
    return "\n".join([head, *map(printable, rows)])
