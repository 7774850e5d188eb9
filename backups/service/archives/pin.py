"""Pins: a pinned backup is never deleted, neither by retention nor by hand."""

from django.db.models import Q
from django.utils import timezone

from backups.errors import BackupError
from backups.lib import audit
from backups.models import BackupExecution
from backups.models.querysets import STORED
from backups.service.archives.leases import not_being_deleted

Status = BackupExecution.Status
LONGEST_REASON = 255


def pin_backup(execution: BackupExecution, *, by: audit.Actor, reason: str) -> None:
    """Keep the archive of `execution` until somebody unpins it.

    Raises BackupError without a reason, and when there is no archive, it is pinned already or being deleted.
    """
    reason = " ".join(reason.split())
    if not 0 < len(reason) <= LONGEST_REASON:
        raise BackupError(
            f"a pin needs a reason of at most {LONGEST_REASON} characters", hint="say why it must never go"
        )
    free = STORED & Q(pinned=False) & not_being_deleted(timezone.now())
    changed = execution.moved(Status.COMPLETED, free, pinned=True, pin_reason=reason)
    _reload(execution)
    if not changed:
        raise BackupError(_why_not(execution))
    _record("pinned", execution, by, reason)


def unpin_backup(execution: BackupExecution, *, by: audit.Actor) -> None:
    """Let retention decide about the archive of `execution` again. Raises BackupError when it is not pinned."""
    reason = execution.pin_reason
    changed = BackupExecution.objects.filter(pk=execution.pk, pinned=True).update(pinned=False, pin_reason="")
    _reload(execution)
    if not changed:
        raise BackupError(f"{execution} is not pinned")
    _record("unpinned", execution, by, reason)


def _reload(execution: BackupExecution) -> None:
    execution.refresh_from_db(fields=["status", "pinned", "pin_reason", "deleting_at", "deleted_at", "missing_at"])


def _why_not(execution: BackupExecution) -> str:
    if execution.pinned:
        return f"{execution} is pinned already: {execution.pin_reason}"
    if execution.has_archive:
        return f"{execution} is being deleted right now"
    return f"{execution} has no archive to keep"


def _record(what: str, execution: BackupExecution, by: audit.Actor, reason: str) -> None:
    audit.log(
        f"backup.{what}", execution=execution.pk, instance=execution.instance, by=audit.name_of(by), reason=reason
    )
    audit.note(by, execution, f"{what.capitalize()}: {reason}")
