import logging
from typing import Any

from django.core.management.base import CommandParser

from backups.errors import BackupError
from backups.lib import audit
from backups.management.base import BackupCommand
from backups.models import BackupSchedule
from backups.service.retention.stored import archives_at
from backups.service.schedules.freshness import at_destination
from destinations.lib.formats import counted
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Take no more backups at a destination; what it holds can still be read."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--why", required=True, metavar="TEXT", help="the reason, for the log")

    def run(self, **options: Any) -> None:
        destination = self.find_destination(options["name"])
        if destination.managed_by:
            raise BackupError(
                f"Destination {destination.name} is declared in the {destination.managed_by}.", hint="Change it there."
            )
        destination.enabled = False
        destination.save(update_fields=["enabled"])
        audit.log(
            "destination.disabled", logging.WARNING, destination=destination.name, by=operator_name(),
            reason=options["why"],
        )  # fmt: skip
        schedules = BackupSchedule.objects.enabled().whole().filter(at_destination(destination)).order_by("name")
        failing, lacking = list[str](), list[str]()
        for schedule in schedules.select_related("destination").prefetch_related("further__destination"):
            (lacking if any(one.enabled for one in schedule.destinations) else failing).append(schedule.name)
        copies = archives_at(destination)
        text = f"Disabled destination {destination.name}."
        if copies:
            text += f" {counted(copies, 'copy', 'copies')} of backups stay there, and can still be read."
            text += f" If it is gone for good, give them up: acceptloss --destination {destination.name} --why TEXT."
        if failing:
            runs = f"The runs of {counted(len(failing), 'schedule')} will fail until they get another"
            text += f" {runs}: {', '.join(failing)}."
        if lacking:
            text += (
                f" The backups of {counted(len(lacking), 'schedule')} will lack their copy here: {', '.join(lacking)}."
            )
        found = {"schedules": failing, "lacking": lacking, "copies": copies}
        self.respond({"name": destination.name, "enabled": False, **found}, text)
