from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandParser

from backups.errors import BackupError
from backups.management.base import BackupCommand
from backups.management.schedules import add_part_option, part_from
from backups.models import BackupSchedule
from backups.runs.describe import describe
from backups.runs.queue.deduplication import AlreadyWaiting
from backups.service.automation.by_hand import run_now
from backups.service.schedules.describe import find_schedule
from backups.service.schedules.parts import running_now
from backups.worker.tasks import enqueue
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Queue a run of a schedule now, for each instance that it covers; a worker takes it."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        add_part_option(parser, "only for this one of its instances")

    def run(self, **options: Any) -> None:
        schedule = part_from(find_schedule(options["name"]), options)
        if schedule.covers_several:
            self._run_all(schedule)
            return
        try:
            backup = run_now(schedule, by=operator_name())
        except AlreadyWaiting as waiting:
            self.respond_waiting(waiting, describe)
            return
        enqueue(backup)
        self.respond(describe(backup) | {"already_waiting": False}, f"queued as {backup.pk}")

    def _run_all(self, schedule: BackupSchedule) -> None:
        """Queue a run for each part; one that is refused does not stop the others, and is an error at the end."""
        # what waits already is known as a run of any kind
        as_data: Callable[[Any], dict[str, Any]] = describe
        data: list[dict[str, Any]] = []
        lines: list[str] = []
        refused: list[BackupError] = []
        for part in running_now(schedule):
            try:
                backup = run_now(part, by=operator_name())
            except AlreadyWaiting as waiting:
                data.append(as_data(waiting.run) | {"already_waiting": True})
                lines.append(f"{part.instance}: waiting already as {waiting.run.pk}")
            except BackupError as error:
                refused.append(error)
                lines.append(f"{part.instance}: {error.text}")
            else:
                enqueue(backup)
                data.append(as_data(backup) | {"already_waiting": False})
                lines.append(f"{part.instance}: queued as {backup.pk}")
        self.respond(data, "\n".join(lines))
        if refused:
            count = f"{len(refused)} of {len(lines)} were refused."
            raise BackupError(f"{count} {refused[0].message}", hint=refused[0].hint)
