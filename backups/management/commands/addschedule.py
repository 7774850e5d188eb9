from typing import Any

from django.core.management.base import CommandParser

from backups.errors import BackupError
from backups.management.base import BackupCommand
from backups.management.schedules import (
    add_cadence_options,
    add_destination_option,
    add_scope_options,
    cadence_from,
    require_free_name,
    require_valid,
    scope_from,
)
from backups.models import BackupSchedule
from backups.service.automation.by_hand import add
from backups.service.schedules.describe import describe_schedule, find_schedule, summary
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Add a schedule for the backups of one instance or of several."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        add_scope_options(parser)
        add_destination_option(parser, "needed when several are enabled; given again, each backup is stored there too")
        add_cadence_options(parser, required=True)
        parser.add_argument("--time-zone", default="UTC", metavar="ZONE", help="of the cron expression (default: UTC)")
        parser.add_argument("--paused", action="store_true", help="add it paused")

    def run(self, **options: Any) -> None:
        require_free_name(options["name"])
        scope = scope_from(options)
        if not scope:
            raise BackupError("No instance is named.", hint="Give --instance, --label or --all-instances.")
        first, *further = self.find_destinations(options["destination"])
        schedule = BackupSchedule(
            name=options["name"],
            destination=first,
            time_zone=options["time_zone"],
            enabled=not options["paused"],
            created_by=operator_name(),
            **scope,
            **cadence_from(options),
        )
        require_valid(schedule)
        add(schedule, further)
        schedule = find_schedule(schedule.name)
        self.respond(describe_schedule(schedule), summary(schedule))
