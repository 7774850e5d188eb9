"""One member of an archive as a readable, forward-only file, without unpacking."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from backups.archive.compression.read import DAMAGED_HINT, open_reader
from backups.archive.errors import ArchiveError
from backups.archive.manifest.entry import Entry
from backups.archive.tar.readahead import read_ahead
from backups.archive.tar.stream import TarStream
from destinations.lib.streams import Source


class MemberFile:
    """The content of a member; seeks forward only. `digest` reads the rest. `progress` gets the bytes read."""

    def __init__(self, tar: TarStream, progress: Callable[[int], None] | None = None) -> None:
        self._pieces = tar.content()
        self._progress = progress
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

    def digest(self) -> str:
        """Read the rest; return the SHA-256 of the member in hexadecimal."""
        while piece := self._piece():
            self._digest.update(piece)
            self._rest = memoryview(b"")
        return self._digest.hexdigest()

    def _piece(self) -> memoryview:
        """Return what is left of the present piece, or the next one; nothing at the end."""
        if not self._rest:
            self._rest = next(self._pieces, memoryview(b""))
            if self._progress is not None:
                self._progress(len(self._rest))
        return self._rest

    def _next(self, size: int) -> Iterator[memoryview]:
        while size:
            if not self._piece():
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
                file = MemberFile(tar)
                yield file
                if file.digest() != entry.checksum_sha256:
                    raise ArchiveError(f"{entry.file} does not have the manifest's SHA-256.", hint=DAMAGED_HINT)
                return
    raise ArchiveError(f"{entry.file} is not in the archive.", hint=DAMAGED_HINT)
