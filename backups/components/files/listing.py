"""The listing of a tree in a backup: a compressed list with one record per entry, in the order of `walk`.

It is written while the tree is packed, or made from its nested tar, so that a preview of a restore needs no archive.
Reading and writing keep one block in memory.
"""

import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from backups.components.files.format.header import FILE, FOLDER, HARD_LINK, LINK, ROOT, SECOND, Member
from backups.components.files.read import NestedTar
from destinations.lib.streams import Sink, SkippingSource, Source

# a second name of a file is listed as a file
LETTERS = {FILE: "f", HARD_LINK: "f", FOLDER: "d", LINK: "l"}
TYPES = {b"f": FILE, b"d": FOLDER, b"l": LINK}
BLOCK_BYTES = 256 * 1024
LENGTH_BYTES = 4
# names have common prefixes, which the fastest level compresses well enough
LEVEL = 1


class ListedEntry(NamedTuple):
    """An entry of a tree in a backup. `mtime_ns` is not `exact` where a tar has a whole second."""

    name: str
    type: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    exact: bool
    target: str


def listed_member(member: Member, *, exact: bool) -> ListedEntry:
    """Return the record of an entry of a nested tar. A second name of a file is listed as a file."""
    return ListedEntry(
        name=member.name,
        type=FILE if member.type == HARD_LINK else member.type,
        mode=member.mode,
        uid=member.uid,
        gid=member.gid,
        size=member.size,
        mtime_ns=member.mtime_ns,
        exact=exact,
        target=member.target if member.type == LINK else "",
    )


def position(name: str) -> tuple[tuple[int, str], ...]:
    """Return a sort key for names in the order of `walk`: the entries of a folder before those of its subfolders."""
    *folders, base = name.split("/")
    return (*((1, folder) for folder in folders), (0, base))


class ListWriter:
    """Writes records into `file` in compressed blocks; `finish` writes the last one."""

    def __init__(self, file: Sink) -> None:
        self._file = file
        self._records: list[bytes] = []
        self._size = 0

    def add(self, entry: ListedEntry) -> None:
        time = f"{entry.mtime_ns}" if entry.exact else f"{entry.mtime_ns // SECOND}s"
        self._add(entry, time, entry.target)

    def add_packed(self, member: Member) -> None:
        """Add an entry with the time that its file system has."""
        self._add(member, f"{member.mtime_ns}", member.target if member.type == LINK else "")

    def _add(self, entry: ListedEntry | Member, time: str, target: str) -> None:
        text = (
            f"{LETTERS[entry.type]} {entry.mode:o} {entry.uid} {entry.gid} {entry.size} {time} {entry.name}\0{target}\0"
        )
        record = text.encode("utf-8", "surrogateescape")
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
        # each record ends with a NUL, so the last field is empty
        for head, target in zip(fields[:-1:2], fields[1::2], strict=True):
            yield _decoded(head, target)


def entries_in(tar: NestedTar) -> Iterator[ListedEntry]:
    """Yield the entries of a nested tar, in the order of `walk`. Raises ComponentError."""
    return (listed_member(member, exact=member.exact) for member in tar.members() if member.name != ROOT)


def write_list(tar: SkippingSource, name: str, target: Sink) -> None:
    """Write the listing of the nested tar `tar`, called `name`. Raises ComponentError."""
    writer = ListWriter(target)
    for entry in entries_in(NestedTar(tar, name)):
        writer.add(entry)
    writer.finish()


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


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
