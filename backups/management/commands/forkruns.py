import os
import signal
import socket
from typing import Any

from django.core.management.base import CommandParser

from backups.lib.processes import set_parent_death_signal
from backups.management.base import BackupCommand
from backups.management.commands import runexecution
from backups.worker.forks import ForkServer, prepare


class Command(BackupCommand):
    help = "Fork a process for each run that a task of a worker asks for. Workers use it; operators need it never."

    def add_options(self, parser: CommandParser) -> None:
        parser.set_defaults(verbosity=2)  # the log goes to the log of the worker
        parser.add_argument("--socket", type=int, metavar="FD", required=True, help="where the requests arrive")
        parser.add_argument("--parent", type=int, metavar="PID", required=True, help="terminate when this process ends")

    def run(self, **options: Any) -> None:
        # a worker that was killed must leave no run behind
        set_parent_death_signal(options["parent"], signal.SIGTERM)
        prepare()
        this = os.getpid()
        request = ForkServer(socket.socket(fileno=options["socket"])).serve()
        if request is not None:
            run = runexecution.Command(stdout=self.stdout, stderr=self.stderr)
            run.as_json = self.as_json
            run.run(id=request.id, kind=request.kind, parent=this)
