"""The list of what a tree held when it was backed up: a record an entry, in the order of `walk`, compressed.

Written while the tree is packed, or read off its nested tar, so that a preview can say what a restore takes away and
what it brings back without the archive. Never more than one block of it is in memory.
"""

import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from backups.components.files.pack import ROOT
from backups.components.files.read import NestedTar
from backups.errors import ComponentError
from destinations.lib.streams import Sink, SkippingSource, Source

SECOND = 10**9
FILE, FOLDER, LINK = "file", "folder", "link"
MEMBER_TYPES = {tarfile.REGTYPE: FILE, tarfile.DIRTYPE: FOLDER, tarfile.SYMTYPE: LINK}
LETTERS = {FILE: b"f", FOLDER: b"d", LINK: b"l"}
TYPES = {letter: type for type, letter in LETTERS.items()}
BLOCK_BYTES = 256 * 1024
LENGTH_BYTES = 4
# names share their beginnings: the fastest level makes them small enough
LEVEL = 1


@dataclass(frozen=True, slots=True)
class ListedEntry:
    """An entry of a tree in a backup. `mtime_ns` is a whole second where it comes from a tar, and not `exact` then."""

    name: str
    type: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    exact: bool
    target: str


def listed_member(member: tarfile.TarInfo, mtime_ns: int | None = None) -> ListedEntry:
    """Return the record of a member of a nested tar; `mtime_ns` is its time where more than the tar says is known."""
    return ListedEntry(
        name=member.name,
        type=MEMBER_TYPES[member.type],
        mode=member.mode,
        uid=member.uid,
        gid=member.gid,
        size=member.size,
        mtime_ns=int(member.mtime) * SECOND if mtime_ns is None else mtime_ns,
        exact=mtime_ns is not None,
        target=member.linkname if member.issym() else "",
    )


def position(name: str) -> tuple[tuple[int, str], ...]:
    """Return what sorts names as `walk` yields them: what lies in a folder first, then what lies in folders in it."""
    *folders, base = name.split("/")
    return (*((1, folder) for folder in folders), (0, base))


class ListWriter:
    """Writes records into `file` in compressed blocks; `finish` writes the last one."""

    def __init__(self, file: Sink) -> None:
        self._file = file
        self._records: list[bytes] = []
        self._size = 0

    def add(self, entry: ListedEntry) -> None:
        record = _encoded(entry)
        self._records.append(record)
        self._size += len(record)
        if self._size >= BLOCK_BYTES:
            self.finish()

    def finish(self) -> None:
        if self._records:
            block = zlib.compress(b"".join(self._records), LEVEL)
            self._file.write(len(block).to_bytes(LENGTH_BYTES, "big") + block)
        self._records, self._size = [], 0


def blocks(file: Source) -> Iterator[bytes]:
    """Yield the compressed blocks that `ListWriter` wrote."""
    while length := file.read(LENGTH_BYTES):
        yield file.read(int.from_bytes(length, "big")) or b""


def records(compressed: Iterable[bytes]) -> Iterator[ListedEntry]:
    """Yield the entries in these blocks."""
    for block in compressed:
        fields = zlib.decompress(block).split(b"\0")
        # each record ends with a NUL: behind the last one is nothing
        for head, target in zip(fields[:-1:2], fields[1::2], strict=True):
            yield _decoded(head, target)


def entries_in(tar: NestedTar, name: str) -> Iterator[ListedEntry]:
    """Yield the entries of a nested tar called `name`. Raises ComponentError where they are not in the order of `walk`.

    Archives may come from anywhere, and what is compared in another order would be told wrong.
    """
    last: tuple[tuple[int, str], ...] = ()
    for member in tar.members():
        if member.name == ROOT:
            continue
        here = position(member.name)
        if here <= last:
            raise ComponentError(f"The entries of {name} are not in order, so they cannot be compared.")
        last = here
        yield listed_member(member)


def write_list(tar: SkippingSource, name: str, target: Sink) -> None:
    """Write the list of the nested tar `tar`, called `name`. Raises ComponentError."""
    writer = ListWriter(target)
    for entry in entries_in(NestedTar(tar, name), name):
        writer.add(entry)
    writer.finish()


def _encoded(entry: ListedEntry) -> bytes:
    time = f"{entry.mtime_ns}" if entry.exact else f"{entry.mtime_ns // SECOND}s"
    numbers = f" {entry.mode:o} {entry.uid} {entry.gid} {entry.size} {time} ".encode()
    return LETTERS[entry.type] + numbers + _bytes(entry.name) + b"\0" + _bytes(entry.target) + b"\0"


def _decoded(head: bytes, target: bytes) -> ListedEntry:
    letter, mode, uid, gid, size, time, name = head.split(b" ", 6)
    exact = not time.endswith(b"s")
    return ListedEntry(
        name=_text(name),
        type=TYPES[letter],
        mode=int(mode, 8),
        uid=int(uid),
        gid=int(gid),
        size=int(size),
        mtime_ns=int(time) if exact else int(time[:-1]) * SECOND,
        exact=exact,
        target=_text(target),
    )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
