"""A strict, streaming reader of tar for archives of untrusted origin.

Only flat regular files pass. The standard library's tarfile reads far more than a backup may hold, and its filters had
bypasses (CVE-2025-4517), so this reader refuses whatever it does not need, naming it.
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
REFUSED_HINT = "A backup holds only plain files; do not trust this archive unless you know who made it."


@dataclass(frozen=True, slots=True)
class Member:
    """`name` is flat, without a leading "./"; `size` in bytes."""

    name: str
    size: int


class TarStream:
    """Iterate over `members`, reading each one's `content` before the next; what is not read is skipped."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")
        self._unread = 0

    def members(self) -> Iterator[Member]:
        """Yield each file; the end comes only after the whole stream was read and found complete."""
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
                self._finish_member(header)
        self._check_end()

    def content(self) -> Iterator[memoryview]:
        """Yield the bytes of the member that `members` gave last."""
        while self._unread:
            piece = self._some(self._unread)
            if not piece:
                raise _truncated()
            self._unread -= len(piece)
            yield piece

    def _finish_member(self, header: Header) -> None:
        for _piece in self.content():
            pass
        self._read_padding(header.size)

    def _read_padding(self, size: int) -> None:
        if self._exactly(-size % RECORD_BYTES).strip(b"\0"):
            raise ArchiveError("The archive is damaged: the padding of a member is not empty.", hint=DAMAGED_HINT)

    def _next_header(self) -> Header | None:
        block = self._exactly(RECORD_BYTES)
        if block == _ZERO_RECORD:
            return None
        header = parse_header(block)
        return self._extended(header) if header.type == PAX_TYPE else header

    def _extended(self, pax: Header) -> Header:
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
        name = records.get("path", header.name)
        return replace(header, name=name, size=_pax_size(records, name, header.size))

    def _check_end(self) -> None:
        """Read to the end, so that the checksum of the compressed stream is compared too."""
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


def _pax_size(records: dict[str, str], name: str, size: int) -> int:
    text = records.get("size")
    if text is None:
        return size
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= MAX_INTEGER):
        raise ArchiveError(f"The archive's member {quoted(name)} has an impossible size.", hint=DAMAGED_HINT)
    return int(text)


def _is_file(header: Header, name: str) -> bool:
    """True for a plain file, False for the folder "./" itself; everything else is refused."""
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
