from typing import Any

from django.core.management.base import CommandParser

from backups.management.base import BackupCommand
from backups.service.catalogue.hidden import bring_back
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Bring back an archive that was deleted at a destination whose store keeps versions or deleted files."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("destination")
        parser.add_argument("path", help="as importbackups prints it under 'hidden'")

    def run(self, **options: Any) -> None:
        destination = self.find_destination(options["destination"])
        copy = bring_back(destination, options["path"], by=operator_name())
        answer = {"destination": destination.name, "path": options["path"], "backup": copy and copy.execution_id}
        follows = (
            f"recorded as backup {copy.execution_id}" if copy else f"record it with: importbackups {destination.name}"
        )
        self.respond(answer, f"back  {options['path']} at {destination.name}\n      {follows}")
