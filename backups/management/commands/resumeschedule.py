from typing import Any

from django.core.management.base import CommandParser

from backups.management.base import BackupCommand
from backups.service.automation.schedules import resume
from backups.service.schedules.describe import describe_schedule, find_schedule, summary
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Resume a schedule."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("name")

    def run(self, **options: Any) -> None:
        schedule = find_schedule(options["name"])
        resume(schedule, by=operator_name())
        self.respond(describe_schedule(schedule), summary(schedule))
