"""A process died between making its archive visible and recording it: the archive is whole, and must not be lost."""

from backups.errors import Interrupted
from backups.lib import audit
from backups.models import BackupExecution
from backups.runs import finish
from backups.service.archives.hashing import HashingSink
from backups.service.archives.signatures import put_signature
from backups.service.backup.upload import record
from destinations.exceptions import NotFound

NOTE = "the process died after the upload; the archive was read back and is whole"


def recover_upload(execution: BackupExecution) -> bool:
    """Complete `execution` when its archive stands at the destination with the checksum of the row; else False.

    Raises DestinationError when the destination cannot be asked.
    """
    path = execution.planned_path or execution.backup_path
    others = BackupExecution.objects.filter(destination=execution.destination_id, backup_path=path, deleted_at=None)
    if not path or others.exclude(pk=execution.pk).exists():
        return False
    sink = HashingSink()
    try:
        with execution.destination.open() as destination:
            destination.get(path, sink)
            if sink.sha256.hexdigest() != execution.archive_sha256:
                return False
            put_signature(destination, path, execution.archive_blake2b, token=execution.pk)
    except NotFound:
        return False
    try:
        record(execution, path)
    except Interrupted:
        return False
    execution.moved(BackupExecution.Status.RUNNING, warnings=[*execution.warnings, NOTE])
    audit.log("backup.recovered", execution=execution.pk, instance=execution.instance, file=path)
    return finish.completed(execution)


def sweep_destination(execution: BackupExecution) -> None:
    """Remove the temporary objects that a process left at the destination. Raises DestinationError."""
    with execution.destination.open() as destination:
        removed = list(destination.sweep(execution.pk))
    if removed:
        audit.log("backup.swept", execution=execution.pk, instance=execution.instance, removed=",".join(removed))
