"""What all types share whose store locks files, and keeps what was deleted."""

import logging
from abc import abstractmethod
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

from django.utils import timezone

from destinations.backends.base import Progress, Step, StoredFile, UploadState, validate_path
from destinations.backends.base.lock_options import lock_time, require_confirmed
from destinations.backends.remote.destination import RemoteDestination, is_listed
from destinations.exceptions import DestinationError, Locked, VerificationFailed
from destinations.transfer.paths import validate_prefix

logger = logging.getLogger(__name__)

# of the file of a test: longer than the clocks of both sides differ in most places, and soon over
PROBE_SECONDS = 120
# a legal hold has no end; a day before the last one, which no change of the time zone overflows
FOREVER = datetime(9999, 12, 30, tzinfo=UTC)
# the lock of an upload counts from its begin
TOLERANCE = timedelta(minutes=1)


class LockingDestination(RemoteDestination):
    """An open destination whose store has locks; a type adds the steps that begin with `remote_`."""

    can_lock = True

    # --- the steps of a protocol ----------------------------------------------------------------------------------
    @abstractmethod
    def remote_lock(self, path: str, until: datetime) -> None:
        """Lock the file until then; it is there, and not locked for so long."""

    @abstractmethod
    def remote_try_lock(self) -> str:
        """Store a file that is locked for PROBE_SECONDS, try to delete it, and return what the store did.

        Its name begins with LOCK_PROBE; those of earlier tests are deleted. Raises `VerificationFailed` when the store
        deletes it.
        """

    @abstractmethod
    def remote_list_hidden(self, prefix: str) -> Iterator[StoredFile]:
        """Yield the newest kept version of each deleted file whose path begins so, as `remote_list` does."""

    @abstractmethod
    def remote_restore_hidden(self, path: str, size: int | None) -> None:
        """Make the newest kept version, or the newest of that size, the file again. Raises `NotFound`."""

    # --- locks ----------------------------------------------------------------------------------------------------
    @property
    def renewed_for(self) -> timedelta | None:
        return lock_time(self.options, "") if self.options["lock_while_kept"] else None

    @property
    def _mode(self) -> str:
        return str(self.options["lock_mode"])

    def put(
        self,
        source: BinaryIO,
        path: str,
        *,
        size: int,
        token: str,
        sha256: str | None = None,
        progress: Progress | None = None,
        state: UploadState | None = None,
    ) -> StoredFile:
        wanted, began = lock_time(self.options, path), timezone.now()
        stored = super().put(source, path, size=size, token=token, sha256=sha256, progress=progress, state=state)
        if wanted is None or _lasts(stored, began + wanted - TOLERANCE):
            return stored
        # a store that does not heed the lock of an upload, or one that was begun long ago and resumed
        try:
            return self.lock(path, began + wanted)
        except DestinationError:
            self._remove_unlocked(path)
            raise

    def _remove_unlocked(self, path: str) -> None:
        """Delete what could not be locked; the error that says why is the one that is raised."""
        try:
            self.delete(path)
        except DestinationError as error:
            logger.warning("destination.unlocked-left file=%s error=%r", path, error.message)

    def lock(self, path: str, until: datetime) -> StoredFile:
        require_confirmed(self.options, path, until, timezone.now())
        stored = self.stat(validate_path(path))
        if _lasts(stored, until):
            return stored
        self._call(f"lock {path}", lambda: self.remote_lock(path, until))
        stored = self.stat(path)
        if not _lasts(stored, until - TOLERANCE):
            raise VerificationFailed(
                f"{path} in {self.where} is not locked until {until:%Y-%m-%d %H:%M} UTC, although the store was asked "
                "for it.",
                "Test the destination: the test tries its locks.",
            )
        return stored

    def lock_steps(self) -> Iterator[Step]:
        if self.options["lock_days"] or self.options["lock_max_days"]:
            yield "lock", lambda: self._call("test the lock", self.remote_try_lock)

    # --- what was deleted -----------------------------------------------------------------------------------------
    def list_hidden(self, prefix: str = "") -> Iterator[StoredFile]:
        begin = f"{prefix}/" if validate_prefix(prefix) else ""
        for file in self._paged("list what was deleted", lambda: self.remote_list_hidden(begin)):
            if is_listed(file.path):
                yield file

    def restore_hidden(self, path: str, *, size: int | None = None) -> StoredFile:
        validate_path(path)
        self._call(f"restore {path}", lambda: self.remote_restore_hidden(path, size))
        return self.stat(path)


def _lasts(stored: StoredFile, until: datetime) -> bool:
    return stored.locked_until is not None and stored.locked_until >= until


def require_unlocked(what: str, until: datetime | None) -> None:
    """Raise `Locked` while the file is locked: a store with versions would hide it, and keep it."""
    if until is not None and until > timezone.now():
        raise lock_error(what, until)


def lock_error(what: str, until: datetime | None) -> Locked:
    if until == FOREVER:
        return Locked(f"{what} is locked by a legal hold.", "Whoever placed the hold has to end it.", until)
    if until is None:
        return Locked(
            f"{what} is locked by the store.", "It can be deleted when its retention or hold has ended.", until
        )
    return Locked(f"{what} is locked until {until:%Y-%m-%d %H:%M} UTC.", "It can be deleted afterwards.", until)


def probe_end() -> datetime:
    return timezone.now() + timedelta(seconds=PROBE_SECONDS)
