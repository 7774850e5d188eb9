"""Uploading the archives and recording them: in the row of each copy, and in that of the backup."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from backups.errors import Cancelled, Interrupted
from backups.lib import audit
from backups.models import BackupCopy, BackupExecution
from backups.runs.finish import message_of
from backups.runs.progress import Monitor
from backups.service.archives.names import archive_paths
from backups.service.archives.read_back import ReadBack
from backups.service.archives.records.copies import change_copy, mirrored, record_failed, unused_names
from backups.service.archives.signatures import record_key_use
from backups.service.backup.pack import Made
from backups.service.backup.remove import remove_published, with_what_stays
from backups.service.backup.side_by_side import Upload, send_all
from backups.service.backup.targets import Targets
from destinations.exceptions import DestinationFull
from destinations.lib.operator_error import OperatorError

State, Status = BackupCopy.State, BackupExecution.Status


def upload_archives(
    backup: BackupExecution,
    targets: Targets,
    archives: Mapping[bool, Made],
    monitor: Monitor,
    warnings: Sequence[str] = (),
) -> None:
    """Upload to each of `targets` under the first free name there, sign and record; each is published atomically.

    `archives` has the encrypted archive under True and the plain one under False. `warnings` are added to those of the
    manifest. Raises OperatorError when no copy was stored; nothing is left at any destination then.
    """
    crowded: list[Upload] = []
    uploads = [
        Upload(target, made, backup.pk, _names(backup, made, target.copy))
        for target in targets.usable
        if (made := archives[target.encryption is not None])
    ]
    first = uploads[0].made
    # Paths and checksums are in the rows before an archive becomes visible: when this process dies in between,
    # `settle_uploads` finds the archive, signs it and completes the backup.
    _change(
        backup,
        archive_sha256=first.packed.sha256,
        archive_blake2b=first.packed.blake2b,
        compression=settings.BACKUP_COMPRESSION,
        encryption=first.encryption.name if first.encryption else "",
        recipients=list(first.encryption.recipients) if first.encryption else [],
        size_bytes=first.manifest.total_size_bytes,
        compressed_size_bytes=first.packed.size_bytes,
        files_included=len(first.manifest.contents),
        manifest_json=first.manifest.to_dict(),
        warnings=[*first.manifest.warnings, *warnings],
    )

    def plan(upload: Upload) -> None:
        packed, encryption, copy = upload.made.packed, upload.made.encryption, upload.target.copy
        upload.read_back = upload.read_back or ReadBack.reserve(copy.destination, packed.size_bytes)
        with transaction.atomic():
            _change(backup, planned_path=upload.path)
            change_copy(
                copy,
                state=State.UPLOADING,
                planned_path=upload.path,
                look_again_at=None,
                size_bytes=packed.size_bytes,
                sha256=packed.sha256,
                blake2b=packed.blake2b,
                encryption=encryption.name if encryption else "",
                recipients=list(encryption.recipients) if encryption else [],
            )

    def arrived(upload: Upload) -> None:
        record_key_use(upload.path)
        try:
            record(backup, upload.target.copy, upload.path, upload.locked_until)
        except IntegrityError as error:
            # another row has that path or that archive at this destination: the other copies are not concerned
            discard(upload)
            upload.error = error
            failed(upload)
            return
        except BaseException:
            discard(upload)
            raise
        if len(uploads) > 1:
            where = upload.target.copy.destination.name
            audit.log("copy.stored", backup=backup.pk, instance=backup.instance, destination=where, file=upload.path)

    def discard(upload: Upload) -> None:
        upload.kept = remove_published(upload.target.copy, upload.path, locked_until=upload.locked_until)
        upload.left = upload.kept is not None

    def failed(upload: Upload) -> None:
        error = upload.error or RuntimeError("An upload failed without an error.")
        if isinstance(error, Cancelled | Interrupted):
            raise error
        if upload.kept is not None:
            error = with_what_stays(error, upload.path, upload.kept, backup=backup.pk)
        targets.failed(upload.target, error, left=upload.left)

    def failed_beside_others(upload: Upload) -> None:
        if isinstance(upload.error, DestinationFull) and upload.kept is None:
            crowded.append(upload)
        else:
            failed(upload)

    try:
        send_all(uploads, monitor, plan=plan, arrived=arrived, failed=failed_beside_others, discard=discard)
        if len(crowded) == 1:
            failed(crowded.pop())
        # on one disk they may have taken each other's room: one after the other then
        for upload in crowded:
            upload.begin_alone()
            send_all([upload], monitor, plan=plan, arrived=arrived, failed=failed, discard=discard)
    except Cancelled as cancelled:
        if not (backup.backup_path and backup.copies.stored().exists()):
            raise
        # the archive that is stored is good, and stays: the backup has copies that are missing
        fail_unfinished(backup, cancelled)
    finally:
        read_backs = [upload.read_back for upload in uploads if upload.read_back is not None]
        for read_back in read_backs:
            read_back.settle()
    # asked of the database: the path is in memory too when the record of the archive was rolled back
    if not (backup.backup_path and backup.copies.stored().exists()):
        raise targets.error()
    if left_out := [upload.read_back.note for upload in uploads if upload.published and upload.read_back]:
        _change(backup, warnings=[*backup.warnings, *filter(None, left_out)])


def _names(backup: BackupExecution, made: Made, copy: BackupCopy) -> Iterator[str]:
    began = backup.started_at or backup.created_at
    paths = archive_paths(backup.instance, backup.kind, began, made.extension)
    return unused_names(paths, copy.destination, but=copy)


def record(backup: BackupExecution, copy: BackupCopy, path: str, locked_until: datetime | None = None) -> None:
    """Record in the rows of the running `backup` and of `copy` that the archive is at `path`."""
    now = timezone.now()
    with transaction.atomic():
        stored = {"state": State.STORED, "path": path, "planned_path": "", "stored_at": now, "error": ""}
        stored |= {"error_hint": "", "verified_at": now, "verified_by": "upload", "attempts": 0, "next_try_at": None}
        stored |= {"missing_at": None, "damaged_at": None, "locked_until": locked_until}
        place: dict[str, object] = {"planned_path": ""}
        # the first one that is stored is the one that the row of the backup names
        if not backup.backup_path:
            copy.path = path
            place |= mirrored(copy)
        _change(backup, **place)
        change_copy(copy, **stored)


def fail_unfinished(backup: BackupExecution, error: BaseException) -> None:
    """Record for each copy of `backup` that is not stored that `error` ended its upload."""
    reason = error if isinstance(error, OperatorError) else OperatorError(message_of(error))
    for copy in backup.copies.filter(state__in=[State.WAITING, State.UPLOADING]):
        # a person who cancels a copy does not want it a minute later
        record_failed(copy, reason, retry=not isinstance(error, Cancelled), left=True)


def _change(backup: BackupExecution, **changes: object) -> None:
    if not backup.transition(Status.RUNNING, **changes):
        raise Interrupted("The backup is not marked as running any more.", hint="See its page for who ended it.")
