"""The row of an import: inserted before the archive is stored, and complete when the archive is at its destination.

Whatever kills the process in between, the row knows where the archive is to be and which SHA-256 it has.
"""

import logging
from datetime import timedelta
from pathlib import PurePosixPath

from django.db import IntegrityError, transaction
from django.utils import timezone

from backups.errors import BackupError, Interrupted
from backups.lib import audit
from backups.models import BackupExecution
from backups.runs import finish, workspace
from backups.runs.queue.ownership import is_on_this_host, reservation_fields
from backups.service.archives.fetch import HashingSink
from backups.service.archives.records.adopted import note_adopted
from backups.service.archives.records.copies import record_only_copy
from destinations.exceptions import DestinationError, NotFound

Stage, Status = BackupExecution.Stage, BackupExecution.Status
RENEWED_EVERY = timedelta(seconds=10)
RECOVERY = "recovery"
AGAIN = "Import it again."
NOTE = (
    "The process that imported it died after the upload. The archive was read back and is complete; a signature beside"
    " the imported file may not be stored."
)


def insert_import(backup: BackupExecution) -> None:
    """Insert the queued row of an import. Raises BackupError while the same archive is being imported there."""
    try:
        with transaction.atomic():
            backup.save(force_insert=True)
    except IntegrityError as error:
        raise BackupError(
            f"The same archive is being imported to {backup.destination.name} already.", hint="Wait for its end."
        ) from error


def plan_import(backup: BackupExecution, path: str) -> None:
    """Record where the archive is to be, before it is uploaded. Raises Interrupted when the import was ended."""
    if not backup.transition(Status.QUEUED, planned_path=path, **reservation_fields(timezone.now())):
        raise _ended(backup)


def renew_import(backup: BackupExecution) -> None:
    """Renew the reservation of the row once in a while, so that no other host takes this process for dead.

    Raises Interrupted when the import was cancelled or ended.
    """
    now = timezone.now()
    if backup.reserved_at is not None and now - backup.reserved_at < RENEWED_EVERY:
        return
    if not backup.transition(Status.QUEUED, **reservation_fields(now)):
        raise _ended(backup)


def complete_import(backup: BackupExecution, path: str, **columns: object) -> None:
    """Record that the archive is at `path`. Raises Interrupted when the import was cancelled or ended."""
    now = timezone.now()
    done = {
        "status": Status.COMPLETED,
        "stage": Stage.DONE,
        "progress_percent": 100,
        # by the date of its data, as any adopted backup
        "completed_at": backup.started_at or now,
        "backup_path": path,
        "backup_filename": PurePosixPath(path).name,
        "planned_path": "",
        "reserved_at": None,
        "reserved_by": "",
        "verified_at": now,
    }
    with transaction.atomic():
        if not backup.transition(Status.QUEUED, **done | columns):
            raise _ended(backup)
        record_only_copy(backup, verified_by="import")


def recover_import(backup: BackupExecution) -> bool:
    """Record the end of the import of a dead process: completed when the destination has its archive.

    False when another process was first.
    """
    if is_on_this_host(backup.worker):
        workspace.sweep(backup.pk)
    message, hint = f"The process that imported it ({backup.worker}) died before the archive was stored.", AGAIN
    try:
        if _complete_stored(backup):
            return True
    except DestinationError as error:
        message = f"The process that imported it ({backup.worker}) died, and what it stored is unknown: {error.message}"
        hint = f"Run importbackups {backup.destination.name} when it answers again."
    return finish.fail_to_start(backup, message, hint)


def _complete_stored(backup: BackupExecution) -> bool:
    """Complete `backup` when its archive is at the destination, and delete its partial uploads."""
    sink = HashingSink(signed=True)
    try:
        with backup.destination.open() as destination:
            destination.sweep(backup.pk, planned=[backup.planned_path] if backup.planned_path else ())
            if not backup.planned_path:
                return False
            destination.get(backup.planned_path, sink)
    except NotFound:
        return False
    if sink.sha256.hexdigest() != backup.archive_sha256:
        return False
    try:
        complete_import(backup, backup.planned_path, warnings=[*backup.warnings, NOTE])
    except Interrupted:
        return False
    audit.log("backup.recovered", logging.WARNING, backup=backup.pk, instance=backup.instance, file=backup.backup_path)
    note_adopted(backup, by=RECOVERY)
    return True


def _ended(backup: BackupExecution) -> Interrupted:
    backup.refresh_from_db(fields=["status"])
    return Interrupted(f"The import {backup.pk} is {backup.status}.", hint="See its page for who ended it.")
