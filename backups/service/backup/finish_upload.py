"""Finishing the uploads of a process that died between publishing an archive and recording it."""

from backups.errors import Interrupted
from backups.lib import audit
from backups.models import BackupCopy, BackupExecution
from backups.runs import finish
from backups.service.archives.fetch import HashingSink
from backups.service.archives.names import signature_of
from backups.service.archives.records.copies import copies_of, copies_state, mirrored, record_failed
from backups.service.archives.signatures import put_signature
from backups.service.backup.upload import fail_unfinished, record
from destinations.exceptions import DestinationError, NotFound

NOTE = "The process died after the upload. The archive was read back and is complete."
Status = BackupExecution.Status


def recover_uploads(backup: BackupExecution, reason: str) -> bool:
    """Complete `backup` when a destination has its archive with the checksum of the row, else return False.

    Each of its copies is looked for; `reason` is recorded with those that are not there. Raises DestinationError when
    none is found and a destination does not answer.
    """
    unknown: DestinationError | None = None
    found = False
    for copy in copies_of(backup):
        try:
            there = _is_there(backup, copy)
            if there and not copy.is_stored:
                record(backup, copy, copy.planned_path)
                audit.log("backup.recovered", backup=backup.pk, instance=backup.instance, file=copy.path)
        except DestinationError as error:
            unknown = unknown or error
            # it was read back before it was recorded
            there = copy.is_stored
        # another process ended the row meanwhile
        except Interrupted:
            return False
        if copy.is_stored and not there:
            record_failed(copy, Interrupted(reason))
        found |= there
    if found:
        backup.transition(Status.RUNNING, warnings=[*backup.warnings, NOTE])
        return complete(backup, Interrupted(reason))
    if unknown is not None:
        raise unknown
    return False


def _is_there(backup: BackupExecution, copy: BackupCopy) -> bool:
    """Return whether the archive of `copy` is at its destination, whole; one that is, is signed."""
    path = copy.planned_path or copy.path
    # an archive of that name may belong to another backup since
    others = BackupCopy.objects.stored().filter(destination=copy.destination_id, path=path)
    if not path or others.exclude(pk=copy.pk).exists():
        return False
    sink = HashingSink()
    try:
        with copy.destination.open() as destination:
            destination.get(path, sink)
            # the name alone proves nothing: the archive there may be another program's, or a copy that was cut
            if sink.sha256.hexdigest() != copy.sha256:
                return False
            put_signature(destination, path, copy.blake2b, token=backup.pk)
    except NotFound:
        return False
    return True


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


def sweep_destinations(backup: BackupExecution) -> dict[str, str]:
    """Delete the partial uploads of `backup` at each of its destinations; return by name why one did not answer."""
    unknown = {}
    for copy in copies_of(backup):
        try:
            with copy.destination.open() as destination:
                planned = (copy.planned_path, signature_of(copy.planned_path)) if copy.planned_path else ()
                removed = list(destination.sweep(backup.pk, planned=planned))
        except DestinationError as error:
            unknown[copy.destination.name] = error.message
        else:
            if removed:
                audit.log("backup.swept", backup=backup.pk, instance=backup.instance, removed=",".join(removed))
    return unknown
