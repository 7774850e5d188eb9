"""The record of an archive that was brought to one more destination, or of why it was not."""

from django.db.models import Q
from django.utils import timezone

from backups.models import BackupCopy
from backups.runs import finish
from backups.service.archives.records.copies import change_copy, next_try, not_stored_since
from destinations.lib.operator_error import OperatorError
from destinations.models import BackupDestination

State = BackupCopy.State


def record_copied(
    copy: BackupCopy, source: BackupCopy, path: str, *, verified_by: str = "copy", **facts: object
) -> bool:
    """Record that the archive of `source` is at `path` of the destination of `copy`; `facts` are further columns.

    False when another process has changed the row.
    """
    now = timezone.now()
    unchanged = Q(execution__deleted_at=None) & ~Q(state=State.DELETED)
    if not copy.is_stored:
        # another process may have recorded this very archive, but no other one
        unchanged &= ~Q(state=State.STORED) | Q(path=path)
    BackupDestination.objects.filter(pk=copy.destination_id).update(established=True)
    return change_copy(
        copy,
        unchanged,
        state=State.STORED,
        path=path,
        planned_path="",
        size_bytes=source.size_bytes,
        sha256=source.sha256,
        blake2b=source.blake2b,
        encryption=source.encryption,
        recipients=source.recipients,
        verified_at=now,
        verified_by=verified_by,
        stored_at=now,
        missing_at=None,
        damaged_at=None,
        error="",
        error_hint="",
        attempts=0,
        next_try_at=None,
        look_again_at=None,
        cooled_at=None,
        upload_state=None,
        **facts,
    )


def record_copy_failure(copy: BackupCopy, error: BaseException) -> None:
    """Record why `copy` is still missing or damaged, and when it is tried again; a lost one stays a lost one."""
    attempts = copy.attempts + 1
    state = {} if copy.is_stored else {"state": State.FAILED}
    change_copy(
        copy,
        ~Q(state=State.DELETED) & not_stored_since(copy),
        error=finish.message_of(error),
        error_hint=error.hint if isinstance(error, OperatorError) else "",
        attempts=attempts,
        # a person who cancels it does not want it a minute later
        next_try_at=None if finish.ending_of(error).status == "cancelled" else next_try(attempts),
        **state,
    )
