"""The small file of a test, which takes every step of a backup and a restore."""

import hashlib
import io
import logging
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from destinations.backends.base.records import Step, StoredFile
from destinations.exceptions import ConnectionLost, DestinationError, Locked, VerificationFailed
from destinations.lib.formats import human_duration, human_size

if TYPE_CHECKING:
    from destinations.backends.base.destination import Destination

logger = logging.getLogger(__name__)

CLOCK_TOLERANCE_SECONDS = 5
# of the names of what a test stores for a moment
TEST_PREFIX = "connection-test-"
# of the files by which a test tries locks; they stay until their locks have ended, and are never listed
LOCK_PROBE = f"{TEST_PREFIX}lock-"


class Trial:
    """The small file of a test."""

    def __init__(self, destination: "Destination") -> None:
        self._destination = destination
        # where nothing is deleted, the file of each test stays
        self._payload = secrets.token_bytes(1024 if destination.append_only else 64 * 1024)
        self._token = secrets.token_hex(8)
        self._path = f"{TEST_PREFIX}{self._token}.bin"
        self._stored: StoredFile | None = None
        self.exposure = ""

    def steps(self) -> Iterator[Step]:
        yield "write", self._write
        yield "list", self._list
        yield "read back", self._read_back
        yield from self._destination.lock_steps()
        yield "delete", self._delete
        yield "free space", self._free_space
        if self._destination.off_box:
            yield "clock", self._clock

    def clean_up(self) -> None:
        """Delete the file after a step failed, whose error is the one that is raised."""
        if self._stored is None or self._destination.append_only:
            return
        try:
            self._destination.delete(self._path)
        except DestinationError as error:
            logger.warning("destination.test-file-left file=%s error=%r", self._path, error.message)

    def _write(self) -> str:
        digest = hashlib.sha256(self._payload).hexdigest()
        self._stored = self._destination.put(
            io.BytesIO(self._payload), self._path, size=len(self._payload), token=self._token, sha256=digest
        )
        self._modified_at, self._written_at = self._stored.modified_at, datetime.now(UTC)
        return f"{self._stored.size_bytes} bytes at {self._destination.location()}"

    def _list(self) -> str:
        # the first that is found: a listing of many archives takes its time
        if not any(file.path == self._path for file in self._destination.list()):
            raise VerificationFailed(
                f"The test file {self._path} at {self._destination.location()} is not listed.",
                "Give the account the right to list what is stored there.",
            )
        return "the test file is listed"

    def _read_back(self) -> str:
        sink = io.BytesIO()
        self._destination.get(self._path, sink)
        if sink.getvalue() != self._payload:
            raise VerificationFailed(
                f"The test file {self._path} at {self._destination.location()} reads back differently from what was "
                "written.",
                "Do not rely on this destination before its storage is repaired.",
            )
        self.exposure = self._destination.exposure(self._path)
        return "the same bytes"

    def _delete(self) -> str:
        self._stored = None
        if self._destination.append_only:
            return self._try_to_delete()
        try:
            self._destination.delete(self._path)
        except Locked as error:
            # by a rule of the store, for all that is written there
            return f"not possible yet: {error.message}"
        return "the test file is gone"

    def _try_to_delete(self) -> str:
        """Say whether the account really may not delete: then whoever has its password cannot either."""
        self._destination.append_only = False
        try:
            self._destination.delete(self._path)
        except ConnectionLost:
            raise
        except DestinationError as error:
            return f"left there: the destination is append-only, and the store refuses: {error.message}"
        finally:
            self._destination.append_only = True
        return (
            "the store obeys: this site deletes nothing here, but the account may. Take that right from it, so that "
            "whoever gets hold of the account cannot delete either"
        )

    def _free_space(self) -> str:
        free = self._destination.tested_free_bytes = self._destination.free_space()
        return "not reported" if free is None else human_size(free)

    def _clock(self) -> str:
        if self._modified_at is None:
            return "not reported"
        difference = round((self._modified_at - self._written_at).total_seconds())
        # times of files have whole seconds in most protocols
        if abs(difference) <= CLOCK_TOLERANCE_SECONDS:
            return "the same as here"
        return f"{human_duration(abs(difference))} {'ahead of' if difference > 0 else 'behind'} the one here"
