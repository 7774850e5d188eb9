"""One upload: its source, as the thread that sends it reads it, and what is known of it so far."""

import os
import threading
from copy import copy
from dataclasses import dataclass
from typing import BinaryIO

from destinations.exceptions import VerificationFailed
from destinations.transfer.blocks import BLOCK_SIZE, compare
from destinations.transfer.digest import Digest
from destinations.transfer.paths import part_name
from destinations.transfer.watch import Foreign, Meter

WHAT = "The source of the upload"


@dataclass(frozen=True)
class Wanted:
    """What is to be stored: the file `path` of `size` bytes and the checksum `sha256` (hex), for the backup `token`."""

    path: str
    size: int
    token: str
    sha256: str | None

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def part_path(self) -> str:
        """The temporary name, beside the final one."""
        return f"{self.folder}/{part_name(self.name, self.token)}".lstrip("/")


class Upload:
    """Reads the source in order (`read`, `seek`) or in parts from several threads (`part`), counted and limited.

    What the source raises passes unchanged through the code of a library (see `Foreign`).
    """

    def __init__(self, wanted: Wanted, source: BinaryIO, meter: Meter) -> None:
        self.wanted = wanted
        self.meter = meter
        # set by a type that goes on where another upload ended: the checksum of what was sent then is not known
        self.resumed = False
        # False where all that is stored is read back and compared with the announced checksum
        self.is_hashed = True
        # where it is until it is published; set by a type that cannot use that name
        self.part_path = wanted.part_path
        # what the store calls the file, once it has its name and is not verified yet: set by a type that can read back
        # only what is published
        self.published = ""
        self._source = source
        self._lock = threading.Lock()
        self._begin = source.tell() if source.seekable() else 0
        self._position = self._furthest = 0
        # of what was counted by `part` and `skip`
        self._parted = 0
        self._digest = Digest()
        try:
            self._descriptor: int | None = source.fileno()
        except OSError:
            self._descriptor = None
        # of a file that is in use: some types read it more than once
        self._changed_at = self._last_change()

    def again(self, meter: Meter) -> "Upload":
        """Return the upload for another try, at the position of this one."""
        other = copy(self)
        # the checksum of a try that may still read is not that of the next
        other._digest = self._digest.copy()
        other._lock = threading.Lock()
        other.meter = meter
        other.resumed, other.part_path = False, self.wanted.part_path
        meter.adjust(self.meter.take())
        return other

    def __len__(self) -> int:
        return self.wanted.size

    @property
    def sha256(self) -> str | None:
        """The checksum (hex) of the whole source: the announced one, else that of what was read; None if unknown."""
        if self.wanted.sha256 or self._furthest < self.wanted.size:
            return self.wanted.sha256
        return self._digest.hexdigest()

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes, at most up to the announced size."""
        # before the source is moved: a try that was given up shall not take from the next one
        self.meter.checkpoint()
        rest = self.wanted.size - self._position
        block = self._read(min(size, rest) if size >= 0 else rest)
        if self._position == self._furthest:
            if self.is_hashed:
                self._digest.update(block)
            self._furthest += len(block)
        self._position += len(block)
        self.meter.count(len(block))
        return block

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go on at `offset`: what lies before it is sent already, what lies behind it is sent (again)."""
        position = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.wanted.size}[whence] + offset
        self._seek(position)
        self.meter.adjust(position - self._position)
        self._position = position
        # parts begin anew: what an earlier try sent is skipped or sent again
        self.skip(-self._parted)
        return position

    def part(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from `offset`, for types that send parts, in any order; see also `hash_to`."""
        block = self._pread(offset, size)
        self._require_block(offset, size, block)
        self._hash(offset, block)
        self.count(len(block))
        return block

    def count(self, size: int) -> None:
        """Count `size` bytes that were peeked and are sent now."""
        with self._lock:
            self._parted += size
        self.meter.count(size)

    def skip(self, size: int) -> None:
        """Count `size` bytes that arrived by an earlier try; a negative number takes back what is sent again."""
        with self._lock:
            self._parted += size
        self.meter.adjust(size)

    def peek(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from `offset` as `part` does, uncounted: for checksums that go before the bytes."""
        block = self._pread(offset, size)
        self._require_block(offset, size, block)
        self.meter.checkpoint()
        return block

    def peek_in_order(self, offset: int, size: int) -> bytes:
        """Peek, and take the bytes into the checksum of the whole: for types that send parts, from begin to end.

        What the store compares a part with is to be computed from these bytes: a source may change between readings.
        """
        if offset == 0:
            # a further try reads all of it again, and sends what it reads
            self._digest, self._furthest = Digest(), 0
        block = self.peek(offset, size)
        self._hash(offset, block)
        return block

    def hash_to(self, offset: int) -> None:
        """Begin the checksum of the whole anew, with all before `offset`: parts in order from there go into it."""
        self._digest, self._furthest = Digest(), 0
        for begin in range(0, offset, BLOCK_SIZE):
            self._hash(begin, self.peek(begin, min(BLOCK_SIZE, offset - begin)))

    def _hash(self, offset: int, block: bytes) -> None:
        if offset <= self._furthest < offset + len(block):
            self._digest.update(block[self._furthest - offset :])
            self._furthest = offset + len(block)

    def _require_block(self, offset: int, size: int, block: bytes) -> None:
        compare(f"{WHAT} at {offset}", "size", min(size, max(self.wanted.size - offset, 0)), len(block))

    def require_whole(self) -> None:
        """Raise `VerificationFailed` when the source is not what was announced; called after all was read."""
        with self._lock:
            self._seek(self.wanted.size)
            more = len(self._read(1))
        compare(WHAT, "size", self.wanted.size, self.wanted.size + more)
        if self._last_change() != self._changed_at:
            raise VerificationFailed(
                f"{WHAT} was changed while it was sent.", "Try again when nothing writes to it any more."
            )
        if self.is_hashed and self.wanted.sha256 and self._furthest == self.wanted.size:
            compare(WHAT, "SHA-256", self.wanted.sha256, self._digest.hexdigest())

    def require_all_read(self) -> None:
        """Raise `VerificationFailed` when the source ended early; for types that read in order."""
        compare(WHAT, "size", self.wanted.size, self._position)

    def _last_change(self) -> int:
        return os.fstat(self._descriptor).st_mtime_ns if self._descriptor is not None else 0

    def _seek(self, position: int) -> None:
        try:
            self._source.seek(self._begin + position)
        except BaseException as error:
            raise Foreign(error) from error

    def _read(self, size: int) -> bytes:
        try:
            return self._source.read(size)
        except BaseException as error:
            raise Foreign(error) from error

    def _pread(self, offset: int, size: int) -> bytes:
        if self._descriptor is None:
            with self._lock:
                self._seek(offset)
                return self._read(size)
        try:
            return os.pread(self._descriptor, size, self._begin + offset)
        except BaseException as error:
            raise Foreign(error) from error


class Part:
    """The bytes of an upload from `begin` to `end` as a file, for libraries that send one."""

    def __init__(self, upload: Upload, begin: int, end: int) -> None:
        self._upload, self._begin, self._end = upload, begin, end
        self._position = self._counted = begin

    def __len__(self) -> int:
        return self._end - self._begin

    def read(self, size: int | None = None) -> bytes:
        rest = self._end - self._position
        length = rest if size is None or size < 0 else min(size, rest)
        if not length:
            return b""
        block = self._upload.part(self._position, length)
        self._position += length
        self._counted += length
        return block

    def rewind(self) -> None:
        """Take back what was counted, to be sent again."""
        self._upload.skip(self._begin - self._counted)
        self._position = self._counted = self._begin

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: self._begin, os.SEEK_CUR: self._position, os.SEEK_END: self._end}[whence]
        self._position = base + offset
        return self.tell()

    def tell(self) -> int:
        return self._position - self._begin
