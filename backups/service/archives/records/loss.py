"""Accepting that a missing archive is lost: from then on it is a deleted one, and no page asks for it any more."""

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from backups.errors import NotDeletable
from backups.lib import audit
from backups.models import BackupCopy, BackupExecution
from backups.models.querysets import MISSING
from backups.service.archives.records.copies import copies_of, mirror
from backups.service.archives.records.missing import mark_returned
from backups.service.archives.trees.lists import forget_lists
from destinations.exceptions import DestinationError, NotFound
from destinations.lib.operator_error import sentences

State, Status = BackupCopy.State, BackupExecution.Status


def accept_loss(backup: BackupExecution, *, by: audit.Actor, reason: str) -> None:
    """Record the archive of `backup` as lost, at each destination that misses it. Nothing is deleted there.

    Raises NotDeletable for one that is not missing, is pinned, or is at a destination again.
    """
    if not backup.is_missing:
        raise NotDeletable(f"The archive of backup {backup.pk} is not missing.")
    if backup.pinned:
        raise NotDeletable(sentences(f"{backup} is pinned: {backup.pin_reason}"), hint="Unpin it first.")
    lost = [copy for copy in copies_of(backup) if copy.is_stored]
    remarks = {copy.pk: _require_absent(backup, copy) for copy in lost}
    name, now = audit.name_of(by), timezone.now()
    with transaction.atomic():
        # a condition on the row of the backup, which a pin or a returned copy changes
        if not backup.transition(Status.COMPLETED, MISSING & Q(pinned=False), deleting_at=None):
            raise NotDeletable(f"{backup} was changed by another process meanwhile.", hint="Look at its page again.")
        for copy in lost:
            why = f"lost: {reason}{remarks[copy.pk]}"[:255]
            deleted = {"state": State.DELETED, "deleted_at": now, "deleted_by": name, "deleted_reason": why}
            BackupCopy.objects.filter(pk=copy.pk, missing_at__isnull=False).update(**deleted)
        # what never arrived cannot be made up for any more
        backup.copies.exclude(state__in=[State.STORED, State.DELETED]).update(state=State.DELETED, next_try_at=None)
        mirror(backup)
        forget_lists(backup)
    audit.log("backup.loss-accepted", backup=backup.pk, instance=backup.instance, by=name, reason=reason)
    audit.note(by, backup, f"Accepted the loss of {backup.backup_filename}: {reason}")


def _require_absent(backup: BackupExecution, copy: BackupCopy) -> str:
    """Raise NotDeletable when the archive is there again; return a remark on what else the destination has or says."""
    try:
        with copy.destination.open() as destination:
            size = destination.stat(copy.path).size_bytes
    except NotFound:
        return ""
    except DestinationError:
        # its disk may be what was lost; an archive that turns up again is adopted
        return " (its destination did not answer)"
    if copy.size_bytes not in (None, size):
        # an upload that broke off, or another file
        return f" (a file of {size} bytes is in its place)"
    mark_returned(copy)
    backup.refresh_from_db(fields=["missing_at", "destination", "backup_path"])
    raise NotDeletable(
        f"{backup} is at {copy.destination.name} again.", hint="It is not marked as missing any more: verify it."
    )
