"""Pins: a pinned backup is never deleted, neither by retention nor by hand."""

from django.db.models import Q
from django.utils import timezone

from backups.errors import BackupError
from backups.lib import audit
from backups.models import BackupExecution
from backups.models.querysets import STORED
from backups.service.archives.leases import not_being_deleted
from destinations.lib.operator_error import sentences

Status = BackupExecution.Status
LONGEST_REASON = 255


def pin_backup(backup: BackupExecution, *, by: audit.Actor, reason: str) -> None:
    """Pin `backup`: its archive is kept until it is unpinned.

    Raises BackupError without a reason, and when there is no archive, it is pinned already or being deleted.
    """
    reason = " ".join(reason.split())
    if not 0 < len(reason) <= LONGEST_REASON:
        raise BackupError(
            f"A pin needs a reason of at most {LONGEST_REASON} characters.", hint="Give the reason for keeping it."
        )
    # conditional: a deletion that has begun must not leave a pinned row without an archive
    free = STORED & Q(pinned=False) & not_being_deleted(timezone.now())
    changed = backup.transition(Status.COMPLETED, free, pinned=True, pin_reason=reason)
    _reload(backup)
    if not changed:
        if backup.pinned:
            raise BackupError(sentences(f"{backup} is pinned already: {backup.pin_reason}"))
        why = "is being deleted right now" if backup.has_archive else "has no archive to keep"
        raise BackupError(f"{backup} {why}.")
    _record("pinned", backup, by, reason)


def unpin_backup(backup: BackupExecution, *, by: audit.Actor) -> None:
    """Unpin `backup`, so that retention applies to it again. Raises BackupError when it is not pinned."""
    reason = backup.pin_reason
    changed = BackupExecution.objects.filter(pk=backup.pk, pinned=True).update(pinned=False, pin_reason="")
    _reload(backup)
    if not changed:
        raise BackupError(f"{backup} is not pinned.")
    _record("unpinned", backup, by, reason)


def _reload(backup: BackupExecution) -> None:
    backup.refresh_from_db(fields=["status", "pinned", "pin_reason", "deleting_at", "deleted_at", "missing_at"])


def _record(what: str, backup: BackupExecution, by: audit.Actor, reason: str) -> None:
    audit.log(f"backup.{what}", backup=backup.pk, instance=backup.instance, by=audit.name_of(by), reason=reason)
    audit.note(by, backup, f"{what.capitalize()}: {reason}")
