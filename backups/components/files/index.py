"""The index of a nested tar that was read to its end: its entries, and where in it the content of each begins.

A restore reads the tar of a tree several times. To parse its headers takes longer than all else for small files, so
that is done once, by the check before anything is changed; the index is a file in the workspace of the run.
"""

import marshal
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from backups.components.files.format.header import Member
from backups.components.files.format.sparse import Segment
from backups.components.files.read import NestedTar
from backups.errors import ComponentError
from backups.lib.filesystem.atomic import create_private
from destinations.lib.streams import SkippingSource

LENGTH_BYTES = 4
# without it entries would be missing after a restore, and in what that is compared with
END = bytes(LENGTH_BYTES)
# about so many bytes of entries are in memory; one may have attributes of MiBs, or a map of its holes
BLOCK_BYTES = 256 * 1024
ENTRY_BYTES = 100
SEGMENT_BYTES = 20

Record = tuple[Any, ...]


class IndexWriter:
    """Writes the index into the new file `path` (0600); `finish` writes the last block, and after it an empty one."""

    def __init__(self, path: Path) -> None:
        self._file = create_private(path)
        self._records: list[Record] = []
        self._size = 0

    def add(self, member: Member, segments: list[Segment], content_at: int) -> None:
        """Add an entry whose `segments` lie in the tar one after the other from `content_at` on."""
        self._records.append((
            member.name, member.type, member.mode, member.uid, member.gid, member.mtime_ns, member.size, member.target,
            member.exact, member.sparse, member.linked, member.stored, member.attributes, segments, content_at,
        ))  # fmt: skip
        self._size += ENTRY_BYTES + len(member.name) + len(member.target) + SEGMENT_BYTES * len(segments)
        self._size += sum(map(len, member.attributes.values()))
        if self._size >= BLOCK_BYTES:
            self._flush()

    def _flush(self) -> None:
        block = marshal.dumps(self._records)
        self._file.write(len(block).to_bytes(LENGTH_BYTES, "big") + block)
        self._records, self._size = [], 0

    def finish(self) -> None:
        if self._records:
            self._flush()
        self._file.write(END)
        self.close()

    def close(self) -> None:
        self._file.close()


class IndexedTar(NestedTar):
    """Reads a nested tar by its `index`, which was written when NestedTar had read and accepted all of it."""

    def __init__(self, file: SkippingSource, name: str, index: Path, *, trusted: bool = True) -> None:
        super().__init__(file, name, trusted=trusted)
        self._index = index
        self._content_at = 0

    def members(self) -> Iterator[Member]:
        for *fields, segments, content_at in self._records():
            member = Member(*fields)
            if not self._trusted:
                self._limit(member)
            self._segments, self._content_at = segments, content_at
            yield member

    def content(self) -> Iterator[tuple[int, bytes]]:
        if self._segments:
            self._file.seek(self._content_at, os.SEEK_SET)
        return super().content()

    def _records(self) -> Iterator[Record]:
        with self._index.open("rb") as file:
            while (length := file.read(LENGTH_BYTES)) != END:
                block = file.read(int.from_bytes(length, "big"))
                if len(length) < LENGTH_BYTES or len(block) < int.from_bytes(length, "big"):
                    raise ComponentError(
                        f"The index of {self._name} in {self._index.parent} is cut off.",
                        hint="Something writes into the workspace; restore again.",
                    )
                # this process wrote it, into a folder that no other user can enter
                yield from marshal.loads(block)  # noqa: S302


def read_tar(file: SkippingSource, name: str, index: Path | None, *, trusted: bool) -> NestedTar:
    """Return the reader of a nested tar that may have an index."""
    if index is None:
        return NestedTar(file, name, trusted=trusted)
    return IndexedTar(file, name, index, trusted=trusted)
