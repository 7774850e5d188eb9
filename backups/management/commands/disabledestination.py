import logging
from typing import Any

from django.core.management.base import CommandParser

from backups.errors import BackupError
from backups.lib import audit
from backups.management.base import BackupCommand
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
        names = list(destination.schedules.filter(enabled=True).order_by("name").values_list("name", flat=True))
        text = f"Disabled destination {destination.name}."
        if names:
            runs = f"The runs of {counted(len(names), 'schedule')} will fail until they get another"
            text += f" {runs}: {', '.join(names)}."
        self.respond({"name": destination.name, "enabled": False, "schedules": names}, text)
