import argparse
from typing import Any

from django.core.management.base import CommandParser

from backups.errors import BackupError
from backups.management.base import BackupCommand
from backups.management.output.listing import item_of, lines
from backups.service.monitoring.check_destination import check_destination
from destinations.lib.formats import counted
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Check that a destination has every recorded archive, by name and size, and read some of them."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument(
            "--read", type=_count, default=0, metavar="N", help="read and verify so many archives, chosen at random"
        )

    def run(self, **options: Any) -> None:
        destination = self.find_destination(options["name"])
        checked = check_destination(destination, by=operator_name(), read=options["read"])
        sections = {
            "missing": [item_of(row) for row in checked.scan.missing],
            "returned": [item_of(row) for row in checked.returned],
            "changed": [item_of(row, reason=f"has {size} bytes there") for row, size in checked.scan.changed],
            "unknown": [{"path": file.path, "size_bytes": file.size_bytes} for file in checked.scan.unknown],
            "verified": [item_of(row) for row in checked.read],
            "bad": [item_of(row, reason=error.message) for row, error in checked.bad],
            "put_off": [item_of(row, reason=error.message) for row, error in checked.put_off],
        }
        head = {"destination": destination.name, "present": checked.scan.present, "sound": checked.is_sound}
        text = f"{destination.name}: {counted(checked.scan.present, 'archive')} there as recorded"
        self.respond({**head, **sections}, "\n".join([text, *lines(sections)]))
        if not checked.is_sound:
            wrong = len(checked.scan.missing) + len(checked.scan.changed) + len(checked.bad)
            raise BackupError(
                f"{counted(wrong, 'archive')} at {destination.name} cannot be restored from there.",
                hint="Look for what was deleted or damaged; docs/catalogue.md says what to do.",
            )


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return number
