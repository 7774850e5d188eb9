"""Finishing the upload of a process that died between publishing its archive and recording it."""

from backups.errors import Interrupted
from backups.lib import audit
from backups.models import BackupExecution
from backups.runs import finish
from backups.service.archives.fetch import HashingSink
from backups.service.archives.names import signature_of
from backups.service.archives.signatures import put_signature
from backups.service.backup.upload import record
from destinations.exceptions import NotFound

NOTE = "The process died after the upload. The archive was read back and is complete."


def recover_upload(backup: BackupExecution) -> bool:
    """Complete `backup` when the destination has its archive with the checksum of the row, else return False.

    Raises DestinationError when the destination does not answer.
    """
    path = backup.planned_path or backup.backup_path
    # an archive of that name may belong to another backup since
    others = BackupExecution.objects.filter(destination=backup.destination_id, backup_path=path, deleted_at=None)
    if not path or others.exclude(pk=backup.pk).exists():
        return False
    sink = HashingSink()
    try:
        with backup.destination.open() as destination:
            destination.get(path, sink)
            # the name alone proves nothing: the archive there may be another program's, or a copy that was cut
            if sink.sha256.hexdigest() != backup.archive_sha256:
                return False
            put_signature(destination, path, backup.archive_blake2b, token=backup.pk)
    except NotFound:
        return False
    try:
        record(backup, path)
    # another process ended the row meanwhile
    except Interrupted:
        return False
    backup.transition(BackupExecution.Status.RUNNING, warnings=[*backup.warnings, NOTE])
    audit.log("backup.recovered", backup=backup.pk, instance=backup.instance, file=path)
    return finish.complete(backup)


def sweep_destination(backup: BackupExecution) -> None:
    """Delete the partial uploads of `backup` at its destination. Raises DestinationError."""
    with backup.destination.open() as destination:
        planned = (backup.planned_path, signature_of(backup.planned_path)) if backup.planned_path else ()
        removed = list(destination.sweep(backup.pk, planned=planned))
    if removed:
        audit.log("backup.swept", backup=backup.pk, instance=backup.instance, removed=",".join(removed))
