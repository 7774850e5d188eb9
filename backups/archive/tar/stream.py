"""A strict, streaming reader of tar for archives of untrusted origin: only regular files without folders are accepted.

The standard library's tarfile reads far more than a backup may hold, and its filters had bypasses (CVE-2025-4517).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from backups.archive.compression.read import DAMAGED_HINT
from backups.archive.errors import ArchiveError
from backups.archive.manifest.fields import MAX_INTEGER
from backups.archive.manifest.names import is_flat_name, quoted
from backups.archive.tar.header import (
    DIRECTORY_TYPE,
    PAX_TYPE,
    RECORD_BYTES,
    REGULAR_TYPES,
    Header,
    parse_header,
    parse_pax,
    type_name,
)

MAX_PAX_BYTES = 64 * 1024
MAX_MEMBERS = 65_536
# tar pads to its blocking factor, 10 KiB by default
MAX_TRAILING_BYTES = 1024 * 1024
_ZERO_RECORD = bytes(RECORD_BYTES)
REFUSED_HINT = "A backup holds only plain files. Do not trust this archive unless you know who made it."


@dataclass(frozen=True, slots=True)
class Member:
    """A regular file: `name` has no folders and no leading "./", `size` is in bytes."""

    name: str
    size: int


class TarStream:
    """Iterate over `members` and read the `content` of each before the next one; what is not read is skipped."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")
        self._unread = 0

    def members(self) -> Iterator[Member]:
        """Yield each regular file; ends only after the whole stream was read and is complete."""
        seen: set[str] = set()
        while (header := self._next_header()) is not None:
            name = header.name.removeprefix("./")
            is_file = _is_file(header, name)
            # case-insensitively: the two would be one file on some file systems
            if name.lower() in seen:
                raise ArchiveError(f"The archive holds {quoted(header.name)} twice.", hint=REFUSED_HINT)
            if len(seen) >= MAX_MEMBERS:
                raise ArchiveError(f"The archive holds more than {MAX_MEMBERS} members.", hint=REFUSED_HINT)
            seen.add(name.lower())
            if is_file:
                self._unread = header.size
                yield Member(name, header.size)
                for _piece in self.content():
                    pass
                self._read_padding(header.size)
        self._check_end()

    def content(self) -> Iterator[memoryview]:
        """Yield the content of the member that `members` yielded last."""
        while self._unread:
            piece = self._some(self._unread)
            if not piece:
                raise _truncated()
            self._unread -= len(piece)
            yield piece

    def _read_padding(self, size: int) -> None:
        if self._exactly(-size % RECORD_BYTES).strip(b"\0"):
            raise ArchiveError("The archive is damaged: the padding of a member is not empty.", hint=DAMAGED_HINT)

    def _next_header(self) -> Header | None:
        block = self._exactly(RECORD_BYTES)
        if block == _ZERO_RECORD:
            return None
        header = parse_header(block)
        if header.type != PAX_TYPE:
            return header
        # an extended header holds the name or size that does not fit in the header after it
        pax = header
        if pax.size > MAX_PAX_BYTES:
            raise ArchiveError(
                f"The archive has an extended tar header of {pax.size} bytes; at most {MAX_PAX_BYTES} are allowed.",
                hint=REFUSED_HINT,
            )
        records = parse_pax(self._exactly(pax.size))
        self._read_padding(pax.size)
        header = parse_header(self._exactly(RECORD_BYTES))
        if header.type == PAX_TYPE:
            raise ArchiveError("The archive has two extended tar headers for one member.", hint=REFUSED_HINT)
        name, size = records.get("path", header.name), records.get("size")
        if size is None:
            return replace(header, name=name)
        if not (size.isascii() and size.isdigit() and len(size) <= 19 and int(size) <= MAX_INTEGER):
            raise ArchiveError(f"The archive's member {quoted(name)} has an impossible size.", hint=DAMAGED_HINT)
        return replace(header, name=name, size=int(size))

    def _check_end(self) -> None:
        # to the end of the stream, where the decompressor compares its checksum
        trailing = self._exactly(RECORD_BYTES)
        length = 0
        while trailing:
            length += len(trailing)
            if bytes(trailing).strip(b"\0"):
                raise ArchiveError("The archive has data after its end.", hint=REFUSED_HINT)
            if length > MAX_TRAILING_BYTES:
                raise ArchiveError("The archive has too much padding after its end.", hint=REFUSED_HINT)
            trailing = bytes(self._some(MAX_TRAILING_BYTES))

    def _some(self, limit: int) -> memoryview:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._rest = memoryview(chunk)
        piece, self._rest = self._rest[:limit], self._rest[limit:]
        return piece

    def _exactly(self, size: int) -> bytes:
        pieces = bytearray()
        while len(pieces) < size:
            piece = self._some(size - len(pieces))
            if not piece:
                raise _truncated()
            pieces += piece
        return bytes(pieces)


def _truncated() -> ArchiveError:
    return ArchiveError("The archive is truncated: it ends before its last member is complete.", hint=DAMAGED_HINT)


def _is_file(header: Header, name: str) -> bool:
    """True for a regular file, False for the folder "./"; raises ArchiveError for everything else."""
    if header.type == DIRECTORY_TYPE and name in {"", "."} and header.size == 0:
        return False
    if header.type == DIRECTORY_TYPE:
        raise ArchiveError(f"The archive's member {quoted(header.name)} is a folder.", hint=REFUSED_HINT)
    if header.type not in REGULAR_TYPES:
        raise ArchiveError(
            f"The archive's member {quoted(header.name)} is {type_name(header.type)}.", hint=REFUSED_HINT
        )
    if not is_flat_name(name):
        raise ArchiveError(
            f"The archive's member {quoted(header.name)} does not have a plain file name.", hint=REFUSED_HINT
        )
    return True
