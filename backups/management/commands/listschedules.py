from typing import Any

from django.core.management.base import CommandParser

from backups.management.base import BackupCommand
from backups.models import BackupSchedule
from backups.service.schedules.coverage import covering
from backups.service.schedules.describe import describe_schedule, described, summary


class Command(BackupCommand):
    help = "List the schedules, with their next run and how the last one ended."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("instance", nargs="?")

    def run(self, **options: Any) -> None:
        schedules = described(BackupSchedule.objects.whole())
        if options["instance"]:
            schedules = schedules.filter(covering(options["instance"]))
        text = "\n".join(summary(schedule) for schedule in schedules)
        self.respond([describe_schedule(schedule) for schedule in schedules], text or "no schedules")
