"""Uploading the archive and recording it in the row."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from django.conf import settings

from backups.archive.encryption import Encryption
from backups.archive.manifest.document import Manifest
from backups.archive.tar.write import Packed
from backups.errors import BackupError, Interrupted
from backups.models import BackupExecution
from backups.runs.progress import Monitor
from backups.service.archives.names import ATTEMPTS, archive_extension, archive_paths
from backups.service.archives.signatures import delete_signature, put_signature
from destinations.exceptions import NameTaken


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


def upload_archive(backup: BackupExecution, made: Made, monitor: Monitor, warnings: Sequence[str] = ()) -> None:
    """Upload under the first free name, sign the archive and record it; the destination publishes it atomically.

    `warnings` are added to those of the manifest. Raises DestinationError; nothing is left at the destination then.
    """
    packed, manifest, encryption = made.packed, made.manifest, made.encryption
    # Path and checksums are in the row before the archive becomes visible: when this process dies in between,
    # `recover_upload` finds the archive, signs it and completes the backup.
    _change(
        backup,
        archive_sha256=packed.sha256,
        archive_blake2b=packed.blake2b,
        compression=settings.BACKUP_COMPRESSION,
        encryption=encryption.name if encryption else "",
        recipients=list(encryption.recipients) if encryption else [],
        size_bytes=manifest.total_size_bytes,
        compressed_size_bytes=packed.size_bytes,
        files_included=len(manifest.contents),
        manifest_json=manifest.to_dict(),
        warnings=[*manifest.warnings, *warnings],
    )
    with backup.destination.open() as destination:
        for path in archive_paths(backup.instance, backup.kind, backup.started_at or backup.created_at, made.extension):
            _change(backup, planned_path=path)
            try:
                with made.path.open("rb", buffering=0) as source:
                    stored = destination.put(
                        source,
                        path,
                        size=packed.size_bytes,
                        sha256=packed.sha256,
                        progress=monitor.advance,
                        token=backup.pk,
                    )
                break
            # another backup of the same instance began in the same second
            except NameTaken:
                continue
        else:
            raise BackupError(f"{ATTEMPTS} archives have the name of {path} at {backup.destination.name} already.")
        try:
            put_signature(destination, stored.path, packed.blake2b, token=backup.pk)
            record(backup, stored.path)
        except BaseException:
            # a reaper may have taken this process for dead, found the archive and recorded it: then it stays
            if not BackupExecution.objects.filter(pk=backup.pk, backup_path=stored.path).exists():
                destination.delete(stored.path)
                delete_signature(destination, stored.path)
            raise


def record(backup: BackupExecution, path: str) -> None:
    """Record in the row that its archive is at `path`."""
    _change(backup, backup_path=path, backup_filename=PurePosixPath(path).name, planned_path="")


def _change(backup: BackupExecution, **changes: object) -> None:
    if not backup.transition(BackupExecution.Status.RUNNING, **changes):
        raise Interrupted("The backup is not marked as running any more.", hint="See its page for who ended it.")
