import sys
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from backups.errors import BackupError
from backups.instances.fields import NAME
from backups.management.base import BackupCommand
from backups.worker.supervisor import Supervisor


class Command(BackupCommand):
    help = "Run the backups, restores and schedules of one queue on this host, until SIGTERM or Ctrl-C."
    # with wrong settings of the queue runs are lost or repeated: the worker does not start
    requires_system_checks = ("queue",)

    def add_options(self, parser: CommandParser) -> None:
        parser.set_defaults(verbosity=2)  # the log of a service is its standard error
        parser.add_argument("--queue", default=settings.BACKUP_QUEUE, metavar="NAME", help="default: %(default)s")

    def run(self, **options: Any) -> None:
        queue = options["queue"]
        if not NAME.fullmatch(queue):
            raise BackupError(
                f"{queue!r} is not the name of a queue.", hint="Use letters, digits, '_' and '-', at most 64."
            )
        sys.exit(Supervisor(queue).run())
