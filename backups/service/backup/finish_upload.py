"""The end of a backup of which at least one copy is stored."""

from backups.models import BackupExecution
from backups.runs import finish
from backups.service.archives.records.copies import copies_of, copies_state, mirrored
from backups.service.backup.upload import fail_unfinished

Status = BackupExecution.Status


def complete(backup: BackupExecution, error: BaseException | None = None) -> bool:
    """Record the end of `backup`, of which at least one copy is stored; the others failed because of `error`."""
    if error is not None:
        fail_unfinished(backup, error)
    copies = copies_of(backup)
    # uploads may end in another order than that of the request
    first = next((copy for copy in copies if copy.is_stored), None)
    place = mirrored(first) if first is not None else {}
    backup.transition(Status.RUNNING, **place, copies_state=copies_state(copies))
    return finish.complete(backup)
