from typing import Any

from django.core.management.base import CommandParser

from backups.management.base import BackupCommand
from backups.runs.describe import describe
from backups.runs.queue.deduplication import AlreadyWaiting
from backups.service.automation.schedules import run_now
from backups.service.schedules.describe import find_schedule
from backups.worker.tasks import enqueue
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Queue a run of a schedule now; a worker takes it."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("name")

    def run(self, **options: Any) -> None:
        try:
            backup = run_now(find_schedule(options["name"]), by=operator_name())
        except AlreadyWaiting as waiting:
            self.respond_waiting(waiting, describe)
            return
        enqueue(backup)
        self.respond(describe(backup) | {"already_waiting": False}, f"queued as {backup.pk}")
