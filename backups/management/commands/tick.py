from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from backups.management.base import BackupCommand
from backups.worker.housekeeping import tick


class Command(BackupCommand):
    help = "Take the steps that a worker takes each minute: end dead runs, call for forgotten ones, repair schedules."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("--queue", default=settings.BACKUP_QUEUE, metavar="NAME", help="default: %(default)s")

    def run(self, **options: Any) -> None:
        done = tick(options["queue"])
        self.respond({"queue": options["queue"], "done": done}, done or "nothing to do")
