"""One member of an archive as a readable, forward-only file, without unpacking."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

from backups.archive.compression.read import DAMAGED_HINT, open_reader
from backups.archive.errors import ArchiveError
from backups.archive.manifest.entry import Entry
from backups.archive.tar.readahead import read_ahead
from backups.archive.tar.stream import TarStream
from destinations.lib.streams import Source


class MemberFile:
    """The content of a member; seeks forward only. `finish` reads the rest and compares the SHA-256."""

    def __init__(self, tar: TarStream, entry: Entry) -> None:
        self._pieces = tar.content()
        self._entry = entry
        self._digest = hashlib.sha256()
        self._rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer at the end of the member."""
        return b"".join(self._next(size))

    def seek(self, offset: int, whence: int) -> None:
        """Skip `offset` bytes; raises ValueError for any other kind of seek."""
        if whence != os.SEEK_CUR or offset < 0:
            raise ValueError("A member of an archive is read forward only.")
        for _piece in self._next(offset):
            pass

    def finish(self) -> None:
        """Read the rest; raises ArchiveError when the SHA-256 of the member is not that of the manifest."""
        self._digest.update(self._rest)
        self._rest = memoryview(b"")
        for piece in self._pieces:
            self._digest.update(piece)
        if self._digest.hexdigest() != self._entry.checksum_sha256:
            raise ArchiveError(f"{self._entry.file} does not have the manifest's SHA-256.", hint=DAMAGED_HINT)

    def _next(self, size: int) -> Iterator[memoryview]:
        while size:
            if not self._rest:
                self._rest = next(self._pieces, memoryview(b""))
                if not self._rest:
                    return
            piece, self._rest = self._rest[:size], self._rest[size:]
            self._digest.update(piece)
            size -= len(piece)
            yield piece


@contextmanager
def open_member(stream: Source, entry: Entry) -> Iterator[MemberFile]:
    """Yield the member `entry` of the compressed tar in `stream`.

    What was read is verified only when the block ends without an error, because the checksum is compared last. Raises
    ArchiveError for a missing member and a damaged archive.
    """
    with read_ahead(open_reader(stream)) as chunks:
        tar = TarStream(chunks)
        for member in tar.members():
            if member.name == entry.file:
                file = MemberFile(tar, entry)
                yield file
                file.finish()
                return
    raise ArchiveError(f"{entry.file} is not in the archive.", hint=DAMAGED_HINT)
