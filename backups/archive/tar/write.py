"""Writing an archive: tar, compression, encryption and checksums in one pass over its members."""

import errno
import hashlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from backups.archive.compression.write import compressor
from backups.archive.errors import ArchiveError
from backups.archive.manifest.document import Entry, Manifest
from backups.archive.manifest.names import MANIFEST_NAME
from backups.archive.minisign import new_digest
from backups.archive.tar.header import RECORD_BYTES
from backups.archive.tar.members import Found, PackedPart, Part, changed, header, padding
from destinations.lib.streams import FlushingSink, Sink

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer


@dataclass(frozen=True, slots=True)
class Packed:
    """Checksums (hexadecimal) and size in bytes of the finished archive; the signature is over BLAKE2b-512."""

    sha256: str
    size_bytes: int
    blake2b: str


class EncryptingSink(Protocol):
    """Encrypts the compressed stream on its way into the archive."""

    def write(self, data: Any, /) -> int: ...

    def flush(self) -> None: ...

    def close(self) -> None:
        """Finish the stream; the target stays open."""

    def abort(self) -> None:
        """End threads and processes without finishing the stream; does nothing after `close`."""


def write_archive(
    target: Sink,
    manifest: Manifest,
    parts: Sequence[Part | PackedPart],
    *,
    compression: str = "gzip",
    level: int = 6,
    wrap: Callable[[FlushingSink], EncryptingSink] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Packed:
    """Write the archive of `manifest` and `parts` to `target`, which stays open; discard `target` on any error.

    Parts that are packed already have to be of the same `compression`. `wrap` gets the sink of the archive and returns
    the encrypting sink that the compressed stream is written to. `progress` gets the bytes read since its last call,
    about every MiB, and may raise to stop the packing.
    Raises ArchiveError when manifest and parts do not agree, and lets OSError of files and target through.
    """
    entries = _match_entries(manifest, parts)
    document = manifest.to_json()
    # parsed as a restore will parse it: an archive whose manifest is refused must not be written
    Manifest.from_json(document)
    taken_at = int((manifest.taken_at or datetime.now(UTC)).timestamp())
    with compressor(compression, level) as packing, _hashing(target) as sink:
        with _encrypting(sink, wrap) as stream:
            head = header(MANIFEST_NAME, len(document), taken_at) + document + padding(len(document))
            stream.write(packing.compress(head))
            for part in parts:
                found = Found()
                for block in part.compressed(packing, found, progress):
                    stream.write(block)
                entry = entries[part.name]
                if (found.size_bytes, found.sha256) != (entry.size_bytes, entry.checksum_sha256):
                    raise changed(part.name)
            stream.write(packing.compress(bytes(2 * RECORD_BYTES)))
        return Packed(sink.sha256.hexdigest(), sink.size_bytes, sink.blake2b.hexdigest())


def _match_entries(manifest: Manifest, parts: Sequence[Part | PackedPart]) -> dict[str, Entry]:
    """Return the entries by file name; raises ArchiveError unless each has exactly one part."""
    entries = {entry.file: entry for entry in manifest.contents}
    names: set[str] = set()
    for part in parts:
        if part.name not in entries:
            raise ArchiveError(f"The file {part.name} is to be packed, but the manifest does not list it.")
        if part.name in names:
            raise ArchiveError(f"The file {part.name} is to be packed twice.")
        names.add(part.name)
    for name in entries:
        if name not in names:
            raise ArchiveError(f"The manifest lists {name}, but it is not among the files to pack.")
    return entries


@contextmanager
def _encrypting(
    sink: "_HashingSink", wrap: Callable[[FlushingSink], EncryptingSink] | None
) -> Iterator[EncryptingSink]:
    """Yield the sink of `wrap` around `sink`; it is finished at the end, or aborted."""
    encryptor = sink if wrap is None else wrap(sink)
    try:
        yield encryptor
        encryptor.close()
    finally:
        encryptor.abort()


@contextmanager
def _hashing(target: Sink) -> Iterator["_HashingSink"]:
    with ThreadPoolExecutor(1, thread_name_prefix="checksum") as beside:
        yield _HashingSink(target, beside)


class _HashingSink(io.RawIOBase):
    """Hashes and counts the bytes written to the target; one of the checksums in another thread."""

    def __init__(self, target: Sink, beside: Executor) -> None:
        self._target, self._beside = target, beside
        self.sha256 = hashlib.sha256()
        self.blake2b = new_digest()
        self.size_bytes = 0

    def writable(self) -> bool:
        return True

    def write(self, data: "Buffer", /) -> int:
        view = memoryview(data).cast("B")
        size = len(view)
        # the buffer is the caller's again afterwards
        hashed = self._beside.submit(self.blake2b.update, view)
        try:
            self.sha256.update(view)
            # a full disk takes a part of it first; only the next write raises the reason
            while view:
                written = self._target.write(view)
                if not written:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                view = view[written:]
        finally:
            hashed.result()
        self.size_bytes += size
        return size

    def abort(self) -> None:
        """Do nothing: the caller discards the target."""
