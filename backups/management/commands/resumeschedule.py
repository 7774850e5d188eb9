from typing import Any

from django.core.management.base import CommandParser

from backups.management.base import BackupCommand
from backups.management.schedules import add_part_option, part_from
from backups.service.automation.by_hand import resume
from backups.service.schedules.describe import describe_schedule, find_schedule, summary
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Resume a schedule."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        add_part_option(parser, "resume it for this one of its instances only")

    def run(self, **options: Any) -> None:
        resume(part_from(find_schedule(options["name"]), options), by=operator_name())
        schedule = find_schedule(options["name"])
        self.respond(describe_schedule(schedule), summary(schedule))
