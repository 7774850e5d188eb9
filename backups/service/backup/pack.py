"""Joining what was exported and compressed into one file behind its manifest, and encrypting it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from backups.archive.compression.write import Compressor
from backups.archive.encryption import Encryption
from backups.archive.manifest.document import Manifest
from backups.archive.tar.growing import Growing
from backups.archive.tar.members import PackedPart, Part, pack_part
from backups.archive.tar.write import Packed, write_archive
from backups.components import ExportedPart
from backups.errors import BackupError
from backups.lib.os_signals import defer_signals
from backups.runs.progress import Monitor
from backups.service.archives.names import archive_extension
from destinations.lib.disks import write_hint

GROWING_BYTES = 16 << 20
# each has a thread and an open file until it is packed, which a site may have hundreds of databases waiting for
MOST_GROWING = 8


@dataclass(frozen=True, slots=True)
class Made:
    """A packed archive in the workspace, and what is recorded of it."""

    path: Path
    packed: Packed
    manifest: Manifest
    encryption: Encryption | None

    @property
    def extension(self) -> str:
        return archive_extension(settings.BACKUP_COMPRESSION, self.encryption.name if self.encryption else "")


class Bodies:
    """Compressed parts, each in a file of `directory`. Large ones are compressed while they are exported."""

    def __init__(self, directory: Path, compressor: Compressor, monitor: Monitor) -> None:
        self._directory, self._compressor, self._monitor = directory, compressor, monitor
        self._growing: dict[Path, Growing] = {}

    def written(self, path: Path, size: int) -> None:
        """Begin to compress the file `path`, of which `size` bytes are written, or go on."""
        if (growing := self._growing.get(path)) is not None:
            growing.written(size)
        elif size >= GROWING_BYTES and len(self._growing) < MOST_GROWING:
            with _writing_in(self._directory.parent):
                growing = Growing(path, self._directory / path.name, self._compressor)
            self._growing[path] = growing
            growing.written(size)

    def pack(self, part: ExportedPart) -> PackedPart:
        """Hash and compress `part` in one pass. Raises BackupError when the disk is full."""
        growing = self._growing.pop(part.path, None)
        with _writing_in(self._directory.parent):
            return pack_part(
                Part(part.path, part.name),
                self._directory / part.name,
                self._compressor,
                self._monitor.advance,
                growing,
            )

    def forget_removed(self) -> None:
        """Discard what was made of files that a failed export has removed: open, they would keep their space."""
        for path in [path for path in [*self._growing] if not path.exists()]:
            self._growing.pop(path).discard()

    def stop(self) -> None:
        """End the threads of files whose export failed."""
        for growing in self._growing.values():
            growing.stop()


def pack(
    parts: Sequence[PackedPart],
    manifest: Manifest,
    encryption: Encryption | None,
    directory: Path,
    monitor: Monitor,
) -> Made:
    """Join the compressed `parts` behind the manifest and encrypt them, into one file in `directory`.

    Raises BackupError when that is full.
    """
    archive = directory / ("archive" if encryption is None else "archive.encrypted")
    # `open` would create it with what the umask allows
    archive.touch(mode=0o600)
    # a signal between any two steps would leave the threads waiting for each other
    with _writing_in(directory), defer_signals() as checkpoint, archive.open("wb", buffering=0) as target:

        def progress(delta: int) -> None:
            monitor.advance(delta)
            checkpoint()

        packed = write_archive(
            target,
            manifest,
            parts,
            compression=settings.BACKUP_COMPRESSION,
            wrap=encryption.writer if encryption else None,
            progress=progress,
        )
    return Made(archive, packed, manifest, encryption)


@contextmanager
def _writing_in(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackupError(
            f"The archive cannot be written in {directory}: {error.strerror}.", hint=write_hint(error, directory)
        ) from error
