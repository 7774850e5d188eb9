"""Reading back an upload within the daily reading budget of its destination, which is left out without room in it.

`reserve` and `settle` touch the database; what lies between them may run in a thread that does not.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from backups.service.archives.budget import settle
from destinations.backends import Destination
from destinations.lib.formats import human_size
from destinations.models import BackupDestination, Reading


@dataclass(slots=True)
class ReadBack:
    destination: BackupDestination
    # None where the budget has no room for the archive
    reading: Reading | None
    read: int = 0
    _read_before: int = 0

    @classmethod
    def reserve(cls, destination: BackupDestination, size: int) -> Self:
        """Reserve `size` bytes where the options of `destination` ask for reading back. Raises DestinationError."""
        is_wanted = destination.place().reads_back_uploads()
        reading = Reading.within_budget(destination, size) if is_wanted else Reading.unlimited(destination)
        return cls(destination, reading)

    @property
    def note(self) -> str:
        """Why the upload was not read back; empty where it was, or was not to be."""
        if self.reading is not None or self.read:
            return ""
        return (
            f"The archive at {self.destination.name} was not read back after its upload: the daily reading budget of "
            f"{human_size(self.destination.daily_read_bytes)} has no room for it today."
        )

    def begin(self, opened: Destination) -> None:
        opened.may_read_back = self.reading is not None
        # an attempt under another name goes on with the same opened destination
        self._read_before = opened.bytes_read_back

    def end(self, opened: Destination) -> None:
        self.read += opened.bytes_read_back - self._read_before

    def settle(self) -> None:
        """Count what was read: also without room, when an upload was resumed, whose parts nothing else verifies."""
        settle(self.reading or Reading.unlimited(self.destination), self.read)


@contextmanager
def read_back(opened: Destination, destination: BackupDestination, size: int) -> Iterator[list[str]]:
    """Keep an upload of `size` bytes inside within the budget; the list has its `note` afterwards, if it has one."""
    notes: list[str] = []
    budgeted = ReadBack.reserve(destination, size)
    budgeted.begin(opened)
    try:
        yield notes
    finally:
        budgeted.end(opened)
        budgeted.settle()
    notes += filter(None, [budgeted.note])
