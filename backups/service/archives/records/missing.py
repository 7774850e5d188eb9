"""Marking a copy that its destination lost or that was changed there, until it is found, made again or accepted."""

import logging
from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from backups.lib import audit
from backups.models import BackupCopy
from backups.models.querysets import STORED_COPY
from backups.service.archives.records.copies import change_copy

# as who deleted what this site did not
STORE = "the store"


def mark_missing(copy: BackupCopy, now: datetime) -> bool:
    """Mark `copy` as missing; False when it was deleted or marked meanwhile."""
    unchanged = STORED_COPY & Q(missing_at=None, execution__deleting_at=None, path=copy.path)
    # it is made up for as soon as there is a sound copy
    if not change_copy(copy, unchanged, missing_at=now, next_try_at=now):
        return False
    audit.log(
        "backup.missing", logging.ERROR, backup=copy.execution_id, instance=copy.execution.instance,
        destination=copy.destination.name, file=copy.path,
    )  # fmt: skip
    return True


def mark_damaged(copy: BackupCopy, now: datetime, why: str) -> bool:
    """Mark `copy` as damaged, because of `why`; False when it was deleted or marked meanwhile."""
    unchanged = STORED_COPY & Q(damaged_at=None, path=copy.path)
    if not change_copy(copy, unchanged, damaged_at=now, error=why, next_try_at=now):
        return False
    audit.log(
        "backup.damaged", logging.ERROR, backup=copy.execution_id, instance=copy.execution.instance,
        destination=copy.destination.name, file=copy.path,
    )  # fmt: skip
    return True


def mark_changed(copy: BackupCopy, now: datetime, size: int) -> bool:
    """Mark `copy` as damaged, because a file of `size` bytes is there; as `mark_damaged`."""
    return mark_damaged(copy, now, f"{copy.execution} has {size} bytes there, and another size was uploaded.")


def mark_returned(copy: BackupCopy) -> bool:
    """Record that the missing `copy` is at its destination again; False when that is recorded already."""
    # one that is damaged as well is still to be repaired
    next_try_at = None if copy.damaged_at is None else timezone.now()
    if not change_copy(copy, STORED_COPY & Q(missing_at__isnull=False), missing_at=None, next_try_at=next_try_at):
        return False
    audit.log(
        "backup.returned", backup=copy.execution_id, instance=copy.execution.instance,
        destination=copy.destination.name, file=copy.path,
    )  # fmt: skip
    return True


def record_expired(copy: BackupCopy, now: datetime) -> bool:
    """Record that the store deleted `copy`, which the rule lets go; False when it was deleted or marked meanwhile."""
    gone = {"state": BackupCopy.State.DELETED, "deleted_at": now, "deleted_by": STORE, "next_try_at": None}
    unchanged = STORED_COPY & Q(missing_at=None, execution__deleting_at=None, path=copy.path)
    if not change_copy(copy, unchanged, deleted_reason="past the rule of an append-only destination", **gone):
        return False
    audit.log(
        "backup.expired", backup=copy.execution_id, instance=copy.execution.instance,
        destination=copy.destination.name, file=copy.path,
    )  # fmt: skip
    return True
