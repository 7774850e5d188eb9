from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from backups.management.base import BackupCommand
from backups.worker.tick import tick


class Command(BackupCommand):
    help = (
        "Do the housekeeping of a worker: reap dead runs, start what is due, dispatch forgotten runs, repair schedules."
    )

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("--queue", default=settings.BACKUP_QUEUE, metavar="NAME", help="default: %(default)s")

    def run(self, **options: Any) -> None:
        done = tick(options["queue"])
        self.respond({"queue": options["queue"], "done": done}, done or "nothing to do")
