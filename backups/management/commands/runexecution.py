import signal
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from backups.errors import BackupError, InstanceBusy
from backups.lib.os_signals import graceful_termination
from backups.lib.processes import set_parent_death_signal
from backups.management.base import BackupCommand
from backups.runs.execute import execute
from backups.runs.registry import kind_named, kinds
from backups.worker.child_process import BUSY


class Command(BackupCommand):
    help = "Carry out one queued backup, restore or drill in this process. Workers use it; operators need it seldom."

    def add_options(self, parser: CommandParser) -> None:
        parser.set_defaults(verbosity=2)  # the log goes to the log of the worker
        parser.add_argument("id")
        parser.add_argument("--kind", choices=[kind.noun for kind in kinds()], default="backup")
        parser.add_argument("--parent", type=int, metavar="PID", help="terminate when this process ends")

    def run(self, **options: Any) -> None:
        if options["parent"] is not None:
            # a worker that was killed must not leave its run behind
            set_parent_death_signal(options["parent"], signal.SIGTERM)
        kind = kind_named(options["kind"])
        if not kind.model.objects.filter(pk=options["id"]).exists():
            raise BackupError(f"There is no {kind.noun} {options['id']!r}.")
        try:
            with graceful_termination(settings.BACKUP_TIMEOUT):
                run = execute(kind, options["id"])
        except InstanceBusy as busy:
            self.stderr.write(busy.message)
            raise SystemExit(BUSY) from busy
        self.respond({"id": run.pk, "status": run.status}, f"{run.status}  {run.pk}")
