"""Packing what was exported into one file: tar, compression, encryption."""

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from backups.archive.encryption import Encryption
from backups.archive.manifest.document import Manifest
from backups.archive.tar.write import Packed, Part, write_archive
from backups.errors import BackupError
from backups.lib.os_signals import defer_signals
from backups.runs.progress import Monitor
from backups.service.archives.names import archive_extension
from backups.service.backup.export import Contents
from destinations.lib.disks import write_hint


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


def pack(
    contents: Contents,
    manifest: Manifest,
    encryption: Encryption | None,
    directory: Path,
    monitor: Monitor,
    *,
    level: int | None = None,
) -> Made:
    """Pack, compress and encrypt into one file in `directory`. Raises BackupError when that is full.

    `level` is that of the compression, by default the setting of the site.
    """
    archive = directory / ("archive" if encryption is None else "archive.encrypted")
    # `open` would create it with what the umask allows
    archive.touch(mode=0o600)
    try:
        # a signal between any two steps would leave the compressor's threads waiting for each other
        with defer_signals() as checkpoint, archive.open("wb", buffering=0) as target:

            def progress(delta: int) -> None:
                monitor.advance(delta)
                checkpoint()

            packed = write_archive(
                target,
                manifest,
                [Part(part.path, part.name) for part in contents.parts if encryption or not part.sealed],
                compression=settings.BACKUP_COMPRESSION,
                level=level or settings.BACKUP_COMPRESSION_LEVEL,
                wrap=encryption.writer if encryption else None,
                progress=progress,
            )
    except OSError as error:
        raise BackupError(
            f"The archive cannot be written in {directory}: {error.strerror}.", hint=write_hint(error, directory)
        ) from error
    return Made(archive, packed, manifest, encryption)
