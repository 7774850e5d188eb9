"""Adopt an archive: examine it, and record it in the catalogue like a backup made here."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from backups.archive.compression.read import ZSTD_MAGIC
from backups.archive.errors import ArchiveError
from backups.archive.manifest.document import Manifest
from backups.archive.tar.read import verify_members
from backups.instances.fields import NAME
from backups.instances.identity import instance_of
from backups.lib import audit
from backups.models import BackupCopy, BackupExecution
from backups.models.querysets import STORED_COPY
from backups.service.archives.open import encryption_of, open_archive
from backups.service.archives.records.adopted import note_adopted
from backups.service.archives.records.copies import change_copy, lock, plan_copies, record_only_copy
from backups.service.archives.signatures import check_signature
from destinations.lib.streams import Source
from destinations.models import BackupDestination

Kind, Stage, Status = BackupExecution.Kind, BackupExecution.Stage, BackupExecution.Status
# a date before this is of a machine that lost its clock
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_HEAD_BYTES = 64


@dataclass(frozen=True, slots=True)
class Examined:
    """An archive whose members all agree with its manifest; the digests and `size_bytes` are those of the file."""

    manifest: Manifest
    sha256: str
    blake2b: str
    size_bytes: int
    compression: str
    encryption: str

    @property
    def kind(self) -> str:
        """The kind in the manifest; "manual" for one that is unknown here."""
        named = self.manifest.backup_type
        return named if named in Kind.values else Kind.MANUAL.value

    @property
    def taken_at(self) -> datetime | None:
        """The date in the manifest, in UTC; None for an implausible one, so that no archive counts as too fresh."""
        named = self.manifest.taken_at
        return named.astimezone(UTC) if named is not None and EARLIEST <= named <= timezone.now() else None


def examine(path: Path, directory: Path, *, sha256: str, blake2b: str) -> Examined:
    """Compare every member of the archive file `path` with its manifest. Raises ArchiveError."""
    with path.open("rb") as file:
        encryption = encryption_of(file.read(_HEAD_BYTES), path.name)
    with open_archive(path, directory) as stream:
        source = _HeadKept(stream)
        manifest = verify_members(source)
    if not NAME.fullmatch(manifest.instance_name):
        raise ArchiveError(
            f"The manifest of {path.name} names the instance {manifest.instance_name[:80]!r}.",
            hint="Instances have names of up to 64 letters, digits, '_' and '-'.",
        )
    compression = "zstd" if source.head.startswith(ZSTD_MAGIC) else "gzip"
    return Examined(manifest, sha256, blake2b, path.stat().st_size, compression, encryption)


class _HeadKept:
    """A source that keeps its first bytes, which tell the compression."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.head = b""

    def read(self, size: int, /) -> bytes:
        data = self._source.read(size) or b""
        self.head = self.head or data[:_HEAD_BYTES]
        return data


def record_adopted(
    destination: BackupDestination, path: str, found: Examined, *, by: audit.Actor, comment: str
) -> BackupExecution:
    """Return a new row for the archive at `path`.

    Raises ArchiveError for a signature that does not match, IntegrityError when path or archive is recorded already.
    """
    backup = adopted_row(destination, found, comment=comment)
    backup.status, backup.stage, backup.progress_percent = Status.COMPLETED, Stage.DONE, 100
    backup.completed_at = backup.created_at
    backup.backup_path, backup.backup_filename = path, path.rpartition("/")[2]
    # raises for a wrong signature; a missing or untrusted one has to be accepted before a restore
    with backup.destination.open() as opened:
        check_signature(opened, path, backup.archive_blake2b)
    backup.save(force_insert=True)
    record_only_copy(backup, verified_by="import")
    note_adopted(backup, by=by)
    return backup


def adopted_row(destination: BackupDestination, found: Examined, *, comment: str, **columns: object) -> BackupExecution:
    """Return the row of an adopted archive, not saved, without what says where the archive is."""
    values = {
        "instance": instance_of(found.manifest),
        "destination": destination,
        "kind": found.kind,
        "triggered_by": found.manifest.triggered_by[:150],
        "comment": comment,
        "created_at": found.taken_at or timezone.now(),
        "started_at": found.taken_at,
        "archive_sha256": found.sha256,
        "archive_blake2b": found.blake2b,
        "compression": found.compression,
        "encryption": found.encryption,
        "size_bytes": found.manifest.total_size_bytes,
        "compressed_size_bytes": found.size_bytes,
        "files_included": len(found.manifest.contents),
        "manifest_json": found.manifest.to_dict(),
        "warnings": list(found.manifest.warnings),
        "adopted": True,
    }
    return BackupExecution(**values | columns)


def record_moved(copy: BackupCopy, path: str, **columns: object) -> bool:
    """Record that the lost archive of `copy` is at `path` now: its backup keeps its pin and its history.

    `columns` are further ones of the backup. False when another process has changed the row.
    """
    place = {"path": path, "missing_at": None, "damaged_at": None, "error": "", "error_hint": "", "cooled_at": None}
    unchanged = Q(path=copy.path, missing_at=copy.missing_at, execution__deleting_at=None)
    with transaction.atomic():
        if not change_copy(copy, STORED_COPY & unchanged, **place):
            return False
        if columns:
            copy.execution.transition(Status.COMPLETED, **columns)
    audit.log("backup.moved", backup=copy.execution_id, instance=copy.execution.instance, file=path)
    return True


def attach_copy(known: BackupCopy, destination: BackupDestination, path: str) -> BackupExecution | None:
    """Record the archive at `path` as the copy at `destination` of the backup whose archive `known` is the same file.

    None when the backup has another copy there. Raises IntegrityError when the path is recorded already.
    """
    same = ("size_bytes", "sha256", "blake2b", "encryption", "recipients")
    values = {name: getattr(known, name) for name in same}
    now = timezone.now()
    values |= {"state": BackupCopy.State.STORED, "path": path, "planned_path": "", "stored_at": now, "verified_at": now}
    values |= {"verified_by": "import", "missing_at": None, "damaged_at": None, "error": "", "error_hint": ""}
    values |= {"next_try_at": None, "attempts": 0, "deleted_at": None, "deleted_by": "", "deleted_reason": ""}
    values |= {"locked_until": None, "cooled_at": None}
    with transaction.atomic():
        backup = lock(known.execution_id)
        plan_copies(backup, [destination])
        copy = backup.copies.get(destination=destination)
        if copy.is_stored or backup.deleted_at is not None:
            return None
        change_copy(copy, **values)
        BackupDestination.objects.filter(pk=destination.pk).update(established=True)
    audit.log("copy.attached", backup=backup.pk, instance=backup.instance, destination=destination.name, file=path)
    return BackupExecution.objects.select_related("destination").without_manifest().get(pk=backup.pk)


def known_elsewhere(destination: BackupDestination, sha256: str) -> BackupCopy | None:
    """Return a recorded copy of that file at another destination, whether it is still sound there or not."""
    recorded = BackupCopy.objects.stored().filter(sha256=sha256, execution__status=Status.COMPLETED)
    return recorded.exclude(destination=destination).select_related("destination").order_by("created_at").first()
