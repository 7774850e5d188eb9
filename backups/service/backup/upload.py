"""Giving the archive its name at the destination, and writing into the row what was made."""

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
from destinations.backends.base import Destination, StoredFile
from destinations.exceptions import NameTaken


@dataclass(frozen=True, slots=True)
class Made:
    """A finished archive in the workspace, and what there is to record of it."""

    path: Path
    packed: Packed
    manifest: Manifest
    encryption: Encryption | None

    @property
    def extension(self) -> str:
        return archive_extension(settings.BACKUP_COMPRESSION, self.encryption.name if self.encryption else "")


def publish(backup: BackupExecution, made: Made, monitor: Monitor, warnings: Sequence[str] = ()) -> None:
    """Upload under the first free name; the destination makes it visible whole and reads it back. Then sign it.

    `warnings` are those that the manifest does not have.
    The row says where and what before the name becomes visible, so that a process that dies in between loses nothing:
    `reap` finds the archive there, and signs it before it is a backup. Raises DestinationError; nothing is left at the
    destination then.
    """
    _describe(backup, made, warnings)
    with backup.destination.open() as destination:
        stored = _upload(destination, backup, made, monitor)
        try:
            put_signature(destination, stored.path, made.packed.blake2b, token=backup.pk)
            record(backup, stored.path)
        except BaseException:
            if not _recorded_by_another(backup, stored.path):
                destination.delete(stored.path)
                delete_signature(destination, stored.path)
            raise


def _upload(destination: Destination, backup: BackupExecution, made: Made, monitor: Monitor) -> StoredFile:
    assert backup.started_at is not None  # noqa: S101 - set by the claim
    for path in archive_paths(backup.instance, backup.kind, backup.started_at, made.extension):
        _change(backup, planned_path=path)
        try:
            with made.path.open("rb", buffering=0) as source:
                return destination.put(
                    source,
                    path,
                    size=made.packed.size_bytes,
                    sha256=made.packed.sha256,
                    progress=monitor.advance,
                    token=backup.pk,
                )
        except NameTaken:
            continue
    raise BackupError(f"{ATTEMPTS} archives have the name of {path} at {backup.destination.name} already")


def _recorded_by_another(backup: BackupExecution, path: str) -> bool:
    """True when a reaper took us for dead, found the archive and recorded it: then it is not ours to delete."""
    return BackupExecution.objects.filter(pk=backup.pk, backup_path=path).exists()


def _describe(backup: BackupExecution, made: Made, warnings: Sequence[str]) -> None:
    packed, manifest = made.packed, made.manifest
    _change(
        backup,
        archive_sha256=packed.sha256,
        archive_blake2b=packed.blake2b,
        compression=settings.BACKUP_COMPRESSION,
        encryption=made.encryption.name if made.encryption else "",
        recipients=list(made.encryption.recipients) if made.encryption else [],
        size_bytes=manifest.total_size_bytes,
        compressed_size_bytes=packed.size_bytes,
        files_included=len(manifest.contents),
        manifest_json=manifest.to_dict(),
        warnings=[*manifest.warnings, *warnings],
    )


def record(backup: BackupExecution, path: str) -> None:
    """Write into the row that its archive stands at `path`."""
    _change(backup, backup_path=path, backup_filename=PurePosixPath(path).name, planned_path="")


def _change(backup: BackupExecution, **changes: object) -> None:
    if not backup.moved(BackupExecution.Status.RUNNING, **changes):
        raise Interrupted("the execution is not marked as running any more", hint="see its page for who ended it")
