from typing import Any

from django.core.management.base import CommandParser

from backups.management.base import BackupCommand
from backups.service.schedule import run_now
from backups.service.schedule_words import find_schedule
from backups.service.status import describe
from backups.tasks import enqueue
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Queue a run of a schedule now; a worker takes it."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("name")

    def run(self, **options: Any) -> None:
        execution = run_now(find_schedule(options["name"]), by=operator_name())
        enqueue(execution)
        self.respond(describe(execution), f"queued as {execution.pk}")
