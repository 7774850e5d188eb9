"""Writing an archive: tar, compression, encryption and checksums in one pass over the files."""

import errno
import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from backups.archive.compression.write import BLOCK_BYTES, Compressor, open_writer
from backups.archive.errors import ArchiveError
from backups.archive.manifest.document import Entry, Manifest
from backups.archive.manifest.names import MANIFEST_NAME
from backups.archive.minisign import new_digest
from backups.archive.tar.header import RECORD_BYTES
from destinations.lib.streams import FlushingSink, Sink

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

CHANGED_HINT = "Something writes into the workspace of the backup; run the backup again."


@dataclass(frozen=True, slots=True)
class Part:
    """A file to pack, and its name in the archive."""

    path: Path
    name: str


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
    parts: Sequence[Part],
    *,
    compression: str = "gzip",
    level: int = 6,
    wrap: Callable[[FlushingSink], EncryptingSink] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Packed:
    """Write the archive of `manifest` and `parts` to `target`, which stays open; discard `target` on any error.

    `wrap` gets the sink of the archive and returns the encrypting sink that the compressed stream is written to.
    `progress` gets the bytes packed since its last call, about every MiB, and may raise to stop the packing.
    Raises ArchiveError when manifest and parts do not agree, and lets OSError of files and target through.
    """
    entries = _match_entries(manifest, parts)
    document = manifest.to_json()
    # parsed as a restore will parse it: an archive whose manifest is refused must not be written
    Manifest.from_json(document)
    taken_at = manifest.taken_at or datetime.now(UTC)
    sink = _HashingSink(target)
    with _compress_into(sink, compression, level, wrap) as stream:
        stream.write(_header(MANIFEST_NAME, len(document), int(taken_at.timestamp())))
        stream.write(document + _padding(len(document)))
        for part in parts:
            _write_part(stream, part, entries[part.name], progress)
        stream.write(bytes(2 * RECORD_BYTES))
    return Packed(sink.sha256.hexdigest(), sink.size_bytes, sink.blake2b.hexdigest())


def _match_entries(manifest: Manifest, parts: Sequence[Part]) -> dict[str, Entry]:
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
def _compress_into(
    sink: "_HashingSink", compression: str, level: int, wrap: Callable[[FlushingSink], EncryptingSink] | None
) -> Iterator[Compressor]:
    """Yield a compressor that writes to `sink`, through the sink of `wrap`; both are finished or aborted at the end."""
    with ExitStack() as cleanup:
        encryptor = sink if wrap is None else wrap(sink)
        cleanup.callback(encryptor.abort)
        gate = _Gate(encryptor)
        compressor = open_writer(compression, gate, level)
        cleanup.callback(compressor.close)
        # Run before the close above. What the compressor flushes after an error must not complete the archive, and its
        # threads must not wait for an encryption program that reads nothing more.
        cleanup.callback(encryptor.abort)
        cleanup.callback(gate.shut)
        yield compressor
        compressor.close()
        encryptor.close()


def _write_part(stream: Compressor, part: Part, entry: Entry, progress: Callable[[int], None] | None) -> None:
    digest = hashlib.sha256()
    packed = 0
    with part.path.open("rb", buffering=0) as source:
        stream.write(_header(part.name, entry.size_bytes, int(os.fstat(source.fileno()).st_mtime)))
        while block := source.read(BLOCK_BYTES):
            packed += len(block)
            if packed > entry.size_bytes:
                break
            digest.update(block)
            stream.write(block)
            if progress is not None:
                progress(len(block))
    if packed != entry.size_bytes or digest.hexdigest() != entry.checksum_sha256:
        raise ArchiveError(f"The file {part.name} changed between its check and its packing.", hint=CHANGED_HINT)
    stream.write(_padding(packed))


def _header(name: str, size: int, mtime: int) -> bytes:
    """Return a USTAR header, after an extended PAX header for names over 100 characters and sizes from 8 GiB."""
    info = tarfile.TarInfo(name)
    info.size = size
    info.mtime = max(0, mtime)
    info.mode = 0o600
    return info.tobuf(tarfile.PAX_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % RECORD_BYTES)


class _Gate:
    """Forwards to `encryptor` until `shut`; later writes are dropped, and errors of a write during it."""

    def __init__(self, encryptor: EncryptingSink) -> None:
        self._encryptor = encryptor
        self._shut = False

    def write(self, data: "Buffer", /) -> int:
        if not self._shut:
            try:
                self._encryptor.write(data)
            except BaseException:
                # shut by another thread during the write
                if not self._shut:
                    raise
        return memoryview(data).nbytes

    def flush(self) -> None:
        if not self._shut:
            self._encryptor.flush()

    def shut(self) -> None:
        self._shut = True


class _HashingSink(io.RawIOBase):
    """Hashes and counts the bytes written to the target."""

    def __init__(self, target: Sink) -> None:
        self._target = target
        self.sha256 = hashlib.sha256()
        self.blake2b = new_digest()
        self.size_bytes = 0

    def writable(self) -> bool:
        return True

    def write(self, data: "Buffer", /) -> int:
        view = memoryview(data).cast("B")
        # a full disk takes a part of it first; only the next write raises the reason
        while view:
            written = self._target.write(view)
            if not written:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            view = view[written:]
        self.sha256.update(data)
        self.blake2b.update(data)
        size = memoryview(data).nbytes
        self.size_bytes += size
        return size

    def abort(self) -> None:
        """Do nothing: the caller discards the target."""
