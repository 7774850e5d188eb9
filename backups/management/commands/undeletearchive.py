from typing import Any

from django.core.management.base import CommandParser

from backups.management.base import BackupCommand
from backups.service.monitoring.bring_back import bring_back
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Bring back an archive that was deleted at a destination whose store keeps versions or deleted files."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("destination")
        parser.add_argument("path", help="as importbackups prints it under 'hidden'")

    def run(self, **options: Any) -> None:
        destination = self.find_destination(options["destination"])
        done = bring_back(destination, options["path"], by=operator_name())
        copy = done.copy
        answer = {"destination": destination.name, "path": options["path"], "backup": copy and copy.execution_id}
        lines = [f"back  {options['path']} at {destination.name}"]
        if copy is None:
            lines.append(f"record it with: importbackups {destination.name}")
        else:
            queued = "" if done.problem else "; a verification is queued"
            lines.append(f"recorded as backup {copy.execution_id}{queued}")
        if done.problem:
            lines.append(done.problem)
        self.respond(answer | {"problem": done.problem}, "\n      ".join(lines))
