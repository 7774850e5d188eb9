"""Writing an archive: tar, compression and encryption in one pass over the parts, hashed on the way."""

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
    """Checksums (hexadecimal) and size in bytes of the finished archive; BLAKE2b-512 is what is signed."""

    sha256: str
    size_bytes: int
    blake2b: str


class Sealer(Protocol):
    """Takes the compressed stream on its way into the archive: encryption."""

    def write(self, data: Any, /) -> int: ...

    def flush(self) -> None: ...

    def close(self) -> None:
        """Finish the stream; the target stays open."""

    def abort(self) -> None:
        """Give up: end everything that runs, and take nothing more. Does nothing after `close`."""


def write_package(
    target: Sink,
    manifest: Manifest,
    parts: Sequence[Part],
    *,
    compression: str = "gzip",
    level: int = 6,
    wrap: Callable[[FlushingSink], Sealer] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Packed:
    """Write the archive of `manifest` and `parts` to `target`, which stays open, and is to be thrown away on any error.

    `wrap` gets the sink of the archive and returns what the compressed stream goes through on the way (encryption).
    `progress` gets the bytes packed since its last call, about every MiB; what it raises stops the packing.
    Raises ArchiveError when manifest and parts do not agree, and lets OSError of files and target through.
    """
    entries = _match(manifest, parts)
    document = _checked_document(manifest)
    sink = _HashingSink(target)
    with _pipeline(sink, compression, level, wrap) as stream:
        _write_manifest(stream, manifest, document)
        for part in parts:
            _write_part(stream, part, entries[part.name], progress or _ignore)
        stream.write(bytes(2 * RECORD_BYTES))
    return Packed(sink.sha256.hexdigest(), sink.size_bytes, sink.blake2b.hexdigest())


def _match(manifest: Manifest, parts: Sequence[Part]) -> dict[str, Entry]:
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


def _checked_document(manifest: Manifest) -> bytes:
    """Return the JSON, after reading it as a restore will: an archive nobody can read must not be written."""
    document = manifest.to_json()
    Manifest.from_json(document)
    return document


@contextmanager
def _pipeline(
    sink: "_HashingSink", compression: str, level: int, wrap: Callable[[FlushingSink], Sealer] | None
) -> Iterator[Compressor]:
    with ExitStack() as cleanup:
        sealer = sink if wrap is None else wrap(sink)
        cleanup.callback(sealer.abort)
        gate = _Gate(sealer)
        compressor = open_writer(compression, gate, level)
        cleanup.callback(compressor.close)
        # First of all: what an interrupted stream flushes while its threads end must not look like an archive, and a
        # program that takes nothing more must not keep those threads waiting.
        cleanup.callback(sealer.abort)
        cleanup.callback(gate.shut)
        yield compressor
        compressor.close()
        sealer.close()


def _write_manifest(stream: Compressor, manifest: Manifest, document: bytes) -> None:
    taken_at = manifest.taken_at or datetime.now(UTC)
    stream.write(_header(MANIFEST_NAME, len(document), int(taken_at.timestamp())))
    stream.write(document + _padding(len(document)))


def _write_part(stream: Compressor, part: Part, entry: Entry, progress: Callable[[int], None]) -> None:
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
            progress(len(block))
    if packed != entry.size_bytes or digest.hexdigest() != entry.checksum_sha256:
        raise ArchiveError(f"The file {part.name} changed between its check and its packing.", hint=CHANGED_HINT)
    stream.write(_padding(packed))


def _header(name: str, size: int, mtime: int) -> bytes:
    """One USTAR header; the PAX format adds an extended one only for a name over 100 characters or 8 GiB and more."""
    info = tarfile.TarInfo(name)
    info.size = size
    info.mtime = max(0, mtime)
    info.mode = 0o600
    return info.tobuf(tarfile.PAX_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % RECORD_BYTES)


def _ignore(delta_bytes: int) -> None:
    """Progress that nobody asked for."""


class _Gate:
    """Lets the stream through to `sealer` until it is shut; what comes later is dropped, and so are its errors."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._shut = False

    def write(self, data: "Buffer", /) -> int:
        if not self._shut:
            try:
                self._sealer.write(data)
            except BaseException:
                if not self._shut:
                    raise
        return memoryview(data).nbytes

    def flush(self) -> None:
        if not self._shut:
            self._sealer.flush()

    def shut(self) -> None:
        self._shut = True


class _HashingSink(io.RawIOBase):
    """Hashes and counts what goes to the target."""

    def __init__(self, target: Sink) -> None:
        self._target = target
        self.sha256 = hashlib.sha256()
        self.blake2b = new_digest()
        self.size_bytes = 0

    def writable(self) -> bool:
        return True

    def write(self, data: "Buffer", /) -> int:
        self._write_all(memoryview(data).cast("B"))
        self.sha256.update(data)
        self.blake2b.update(data)
        size = memoryview(data).nbytes
        self.size_bytes += size
        return size

    def _write_all(self, view: memoryview) -> None:
        """A disk that fills up takes a part first; only the next write says why."""
        while view:
            written = self._target.write(view)
            if not written:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            view = view[written:]

    def abort(self) -> None:
        """Do nothing: the target is thrown away by whoever opened it."""
