from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction

from backups.errors import BackupError
from backups.lib import audit
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
from backups.service.automation.by_hand import edit, require_undeclared
from backups.service.schedules.describe import describe_schedule, find_schedule, summary
from backups.service.schedules.parts import forget
from backups.service.schedules.planning import next_runs, set_further
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Change a schedule; what is not given stays. What is named replaces what was named before."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        add_scope_options(parser)
        add_destination_option(parser, "back up there; given again, each backup is stored there too")
        add_cadence_options(parser, required=False)
        parser.add_argument("--time-zone", metavar="ZONE", help="of the cron expression")
        parser.add_argument("--rename", metavar="NAME", help="give it another name")
        parser.add_argument(
            "--forget", action="append", default=[], metavar="INSTANCE", help="one that it no longer covers"
        )

    def run(self, **options: Any) -> None:
        schedule, by = find_schedule(options["name"]), operator_name()
        require_undeclared(schedule)
        changes = scope_from(options) | cadence_from(options)
        if options["time_zone"] is not None:
            changes["time_zone"] = options["time_zone"]
        if options["rename"] is not None:
            require_free_name(options["rename"], schedule)
            changes["name"] = options["rename"]
        places = self.find_destinations(options["destination"]) if options["destination"] else []
        if places:
            changes["destination"] = places[0]
        if not changes and not options["forget"]:
            raise BackupError("Nothing to change was given.", hint="Give at least one option.")
        for column, value in changes.items():
            setattr(schedule, column, value)
        if changes:
            require_valid(schedule)
            next_runs(schedule, 1)
        with transaction.atomic():
            for name in options["forget"]:
                forget(schedule, name, by=by)
            if changes:
                edit(schedule, changes)
            if places:
                set_further(schedule, places[1:])
        if changes:
            audit.log("schedule.changed", schedule=schedule.name, fields=",".join(sorted(changes)), by=by)
            audit.note(by, schedule, f"Changed {', '.join(sorted(changes))}.")
        schedule = find_schedule(schedule.name)
        self.respond(describe_schedule(schedule), summary(schedule))
