"""Asking destinations for archives: each is opened once, and one that did not answer is not asked again."""

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from backups.models import BackupCopy
from destinations.backends import Destination
from destinations.exceptions import DestinationError, NotFound
from destinations.models import BackupDestination


class OpenedDestinations:
    """A context in which destinations stay open."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._opened: dict[str, Destination] = {}
        self._silent: dict[str, DestinationError] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def open(self, destination: BackupDestination) -> Destination:
        """Return `destination`, opened. Raises DestinationError."""
        if (known := self._silent.get(destination.pk)) is not None:
            # each further attempt may last until a timeout
            raise known
        if destination.pk not in self._opened:
            try:
                self._opened[destination.pk] = self._stack.enter_context(destination.open())
            except DestinationError as error:
                self._silent[destination.pk] = error
                raise
        return self._opened[destination.pk]

    def size_of(self, copy: BackupCopy) -> int:
        """Return the bytes of the archive of `copy` at its destination. Raises DestinationError."""
        try:
            return self.open(copy.destination).stat(copy.path).size_bytes
        except NotFound:
            raise
        except DestinationError as error:
            self._silent[copy.destination_id] = error
            raise
