"""Asking other destinations, before a copy is deleted, whether the sound ones that are recorded there are there."""

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from django.utils import timezone

from backups.errors import NotDeletable
from backups.models import BackupCopy
from backups.models.querysets import LARGE_COLUMNS
from backups.service.archives.records.missing import mark_damaged, mark_missing
from destinations.backends import Destination
from destinations.exceptions import DestinationError, NotFound
from destinations.lib.operator_error import sentences

LARGE = tuple(f"execution__{column}" for column in LARGE_COLUMNS)


class OtherCopies:
    """A context in which each other destination is opened once, and not asked again when it did not answer."""

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

    def require_one(self, copy: BackupCopy) -> None:
        """Raise NotDeletable unless another destination has the archive of a sound copy, by name and size.

        One that is gone or has another size is marked as missing or damaged, so that it is made again from this one.
        """
        backup = copy.execution
        others = BackupCopy.objects.sound().filter(execution=copy.execution_id).exclude(pk=copy.pk)
        unknown: tuple[str, DestinationError] | None = None
        for other in others.select_related("destination", "execution").defer(*LARGE):
            where = other.destination.name
            try:
                size = self._size_of(other)
            except NotFound:
                mark_missing(other, timezone.now())
            except DestinationError as error:
                unknown = unknown or (where, error)
            else:
                if other.size_bytes in (None, size):
                    return
                why = f"{backup} has {size} bytes there, and another size was uploaded."
                mark_damaged(other, timezone.now(), why)
        if unknown is None:
            raise NotDeletable(f"It has become the last sound copy of {backup}.")
        where, problem = unknown
        raise NotDeletable(
            sentences(f"{where} could not be asked whether its copy is there: {problem.message}"),
            hint=f"It is tried again when the rule is applied next. If {where} is gone for good, give up its copies.",
        )

    def _size_of(self, copy: BackupCopy) -> int:
        """Return the bytes of the archive of `copy` at its destination. Raises DestinationError."""
        key = copy.destination_id
        if key in self._silent:
            # each further attempt may last until a timeout
            raise self._silent[key]
        try:
            if key not in self._opened:
                self._opened[key] = self._stack.enter_context(copy.destination.open())
            return self._opened[key].stat(copy.path).size_bytes
        except NotFound:
            raise
        except DestinationError as error:
            self._silent[key] = error
            raise
