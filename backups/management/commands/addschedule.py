from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandParser
from django.db import transaction

from backups.errors import BackupError
from backups.instances import get_instance
from backups.management.base import BackupCommand
from backups.models import BackupSchedule
from backups.service.schedules.describe import describe_schedule, summary
from backups.service.schedules.planning import plan, set_further
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Add a schedule for the backups of an instance."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--instance", required=True, metavar="NAME")
        parser.add_argument(
            "--destination",
            metavar="NAME",
            action="append",
            help="needed when several are enabled; given again, each backup is stored there too",
        )
        cadence = parser.add_mutually_exclusive_group(required=True)
        cadence.add_argument("--cron", metavar="EXPRESSION", help="five fields, such as '0 2 * * *'")
        cadence.add_argument("--interval", metavar="INTERVAL", help="such as minutes:15, hours:24 or days:1")
        cadence.add_argument("--custom", metavar="CADENCE", help="a name in BACKUP_CUSTOM_CADENCES")
        cadence.add_argument("--manual", action="store_true", help="only started by an operator")
        parser.add_argument("--time-zone", default="UTC", metavar="ZONE", help="of the cron expression (default: UTC)")
        parser.add_argument("--paused", action="store_true", help="add it paused")

    def run(self, **options: Any) -> None:
        if BackupSchedule.objects.whole().filter(name=options["name"]).exists():
            raise BackupError(f"There is a schedule {options['name']!r} already.", hint="Choose another name.")
        type_, expression = cadence_from(options)
        first, *further = self.find_destinations(options["destination"])
        schedule = BackupSchedule(
            name=options["name"],
            instance=get_instance(options["instance"]).name,
            destination=first,
            type=type_,
            expression=expression,
            time_zone=options["time_zone"],
            enabled=not options["paused"],
            created_by=operator_name(),
        )
        try:
            schedule.clean_fields()
        except ValidationError as error:
            raise BackupError(" ".join(error.messages)) from error
        with transaction.atomic():
            plan(schedule)
            set_further(schedule, further)
        self.respond(describe_schedule(schedule), summary(schedule))


def cadence_from(options: dict[str, Any]) -> tuple[str, str]:
    for type_ in ("cron", "interval", "custom"):
        if options[type_] is not None:
            return type_, options[type_]
    return "manual", ""
