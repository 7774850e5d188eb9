"""Members of an archive, compressed: straight into it, or ahead into files that are joined later."""

import hashlib
import io
import os
import tarfile
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from isal import isal_zlib

from backups.archive.compression.write import BLOCK_BYTES, Compressor
from backups.archive.errors import ArchiveError
from backups.archive.tar.header import RECORD_BYTES
from destinations.lib.streams import write_all

if TYPE_CHECKING:
    from backups.archive.tar.growing import Growing

READ_HINT = "Check the log of the system for a disk that fails, or a mount that is gone."
CHANGED_HINT = "Something writes into the workspace of the backup; run the backup again."
Progress = Callable[[int], None]


@dataclass(slots=True)
class Found:
    """Size and SHA-256 of the bytes that were packed."""

    size_bytes: int = 0
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A file to pack, and its name in the archive."""

    path: Path
    name: str

    def blocks(self, found: Found, progress: Progress | None) -> Iterator[bytes]:
        """Yield the file as a member of a tar: header, content in blocks, padding. `found` is complete at the end.

        Raises ArchiveError when the file cannot be read, or changes its size meanwhile.
        """
        digest = hashlib.sha256()
        with _opened(self.path) as source:
            info = os.fstat(source.fileno())
            yield header(self.name, info.st_size, int(info.st_mtime))
            while block := _read(source, self.path):
                found.size_bytes += len(block)
                if found.size_bytes > info.st_size:
                    break
                digest.update(block)
                yield block
                if progress is not None:
                    progress(len(block))
        if found.size_bytes != info.st_size:
            raise changed(self.name)
        found.sha256 = digest.hexdigest()
        if rest := padding(found.size_bytes):
            yield rest

    def compressed(self, compressor: Compressor, found: Found, progress: Progress | None) -> Iterator[bytes]:
        yield from compressor.stream(self.blocks(found, progress))


class Body:
    """The compressed blocks of a member in a file, by their number; each takes 16 bytes of memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch(mode=0o600, exist_ok=False)
        self._end = 0
        self._offsets, self._lengths, self._crcs = array("q"), array("I"), array("I")

    @property
    def compressed_bytes(self) -> int:
        return sum(self._lengths)

    def store(self, number: int, data: bytes) -> None:
        """Write the block `number` to the end of the file; it replaces one of that number."""
        while len(self._offsets) <= number:
            self._offsets.append(0)
            self._lengths.append(0)
            self._crcs.append(0)
        with self.path.open("r+b", buffering=0) as file:
            file.seek(self._end)
            write_all(file, data)
        self._offsets[number], self._lengths[number] = self._end, len(data)
        self._crcs[number] = isal_zlib.crc32(data)
        self._end += len(data)

    def cut(self, count: int) -> None:
        """Forget the blocks from the number `count` on."""
        for column in (self._offsets, self._lengths, self._crcs):
            del column[count:]

    def blocks(self) -> Iterator[bytes | None]:
        """Yield the blocks in the order of their numbers; None for one that is not what was written.

        Raises ArchiveError when the file cannot be read.
        """
        with _opened(self.path) as file:
            for offset, length, crc in zip(self._offsets, self._lengths, self._crcs, strict=True):
                try:
                    data = os.pread(file.fileno(), length, offset)
                except OSError as error:
                    raise unreadable(self.path, error) from error
                yield data if (len(data), isal_zlib.crc32(data)) == (length, crc) else None


@dataclass(frozen=True, slots=True)
class PackedPart:
    """A member that is compressed in `body`, with the size and SHA-256 of its content."""

    name: str
    body: Body
    size_bytes: int
    sha256: str

    @property
    def compressed_bytes(self) -> int:
        return self.body.compressed_bytes

    def compressed(self, _compressor: Compressor, found: Found, progress: Progress | None) -> Iterator[bytes]:
        for block in self.body.blocks():
            if block is None:
                raise changed(self.name)
            yield block
            if progress is not None:
                progress(len(block))
        found.size_bytes, found.sha256 = self.size_bytes, self.sha256


def pack_part(
    part: Part, path: Path, compressor: Compressor, progress: Progress, growing: "Growing | None" = None
) -> PackedPart:
    """Compress `part` into the new file `path`, reading and hashing it once.

    `growing` has compressed some of its blocks already, into a file of its own, which is used instead. `progress` gets
    the bytes read, and may raise. Raises ArchiveError when the file cannot be read or changes its size meanwhile, and
    OSError when `path` cannot be written.
    """
    found = Found()
    body = Body(path) if growing is None else growing.finish()
    numbers = deque[int]()
    count = 0

    def missing() -> Iterator[bytes]:
        nonlocal count
        for number, block in enumerate(part.blocks(found, progress)):
            count = number + 1
            if growing is None or not growing.holds(number, block):
                numbers.append(number)
                yield block

    for data in compressor.stream(missing()):
        body.store(numbers.popleft(), data)
    # the file may have become shorter since
    body.cut(count)
    return PackedPart(part.name, body, found.size_bytes, found.sha256)


def _opened(path: Path) -> io.FileIO:
    try:
        return path.open("rb", buffering=0)
    except OSError as error:
        raise unreadable(path, error) from error


def _read(source: io.FileIO, path: Path) -> bytes:
    try:
        return source.read(BLOCK_BYTES) or b""
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> ArchiveError:
    """Return the error for a file of the workspace that cannot be read; OSError is left to what is written."""
    return ArchiveError(f"{path} cannot be read: {error.strerror}.", hint=READ_HINT)


def header(name: str, size: int, mtime: int) -> bytes:
    """Return a USTAR header, after an extended PAX header for names over 100 characters and sizes from 8 GiB."""
    info = tarfile.TarInfo(name)
    info.size = size
    info.mtime = max(0, mtime)
    info.mode = 0o600
    return info.tobuf(tarfile.PAX_FORMAT)


def padding(size: int) -> bytes:
    return bytes(-size % RECORD_BYTES)


def changed(name: str) -> ArchiveError:
    return ArchiveError(f"The file {name} changed between its check and its packing.", hint=CHANGED_HINT)
