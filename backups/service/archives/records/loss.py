"""Accepting that a missing archive is lost: from then on it is a deleted one, and no page asks for it any more."""

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from backups.errors import NotDeletable
from backups.lib import audit
from backups.models import BackupExecution
from backups.models.querysets import MISSING
from backups.service.archives.trees.lists import forget_lists
from destinations.exceptions import DestinationError, NotFound
from destinations.lib.operator_error import sentences

Status = BackupExecution.Status


def accept_loss(backup: BackupExecution, *, by: audit.Actor, reason: str) -> None:
    """Record the missing archive of `backup` as lost. Nothing is deleted at the destination.

    Raises NotDeletable for one that is not missing, is pinned, or is at its destination again.
    """
    if not backup.is_missing:
        raise NotDeletable(f"The archive of backup {backup.pk} is not missing.")
    if backup.pinned:
        raise NotDeletable(sentences(f"{backup} is pinned: {backup.pin_reason}"), hint="Unpin it first.")
    remark = _require_absent(backup)
    name = audit.name_of(by)
    with transaction.atomic():
        accepted = backup.transition(
            Status.COMPLETED,
            MISSING & Q(pinned=False),
            deleted_at=timezone.now(),
            deleted_by=name,
            deleted_reason=f"lost: {reason}{remark}"[:255],
        )
        if not accepted:
            raise NotDeletable(f"{backup} was changed by another process meanwhile.", hint="Look at its page again.")
        forget_lists(backup)
    audit.log("backup.loss-accepted", backup=backup.pk, instance=backup.instance, by=name, reason=reason)
    audit.note(by, backup, f"Accepted the loss of {backup.backup_filename}: {reason}")


def _require_absent(backup: BackupExecution) -> str:
    """Raise NotDeletable when the archive is there again; return a remark on what else the destination has or says."""
    try:
        with backup.destination.open() as destination:
            size = destination.stat(backup.backup_path).size_bytes
    except NotFound:
        return ""
    except DestinationError:
        # its disk may be what was lost; an archive that turns up again is adopted
        return " (its destination did not answer)"
    if backup.compressed_size_bytes not in (None, size):
        # an upload that broke off, or another file
        return f" (a file of {size} bytes is in its place)"
    backup.transition(Status.COMPLETED, MISSING, missing_at=None)
    audit.log("backup.returned", backup=backup.pk, instance=backup.instance, destination=backup.destination.name)
    raise NotDeletable(
        f"{backup} is at {backup.destination.name} again.", hint="It is not marked as missing any more: verify it."
    )
