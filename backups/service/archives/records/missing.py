"""Marking an archive that its destination no longer has: a loss, until it is found, imported again or accepted."""

import logging
from datetime import datetime

from django.db.models import Q

from backups.lib import audit
from backups.models import BackupExecution
from backups.models.querysets import STORED


def mark_missing(backup: BackupExecution, now: datetime) -> bool:
    """Mark the archive of `backup` as missing; False when it was deleted or marked meanwhile."""
    if not backup.transition(BackupExecution.Status.COMPLETED, STORED, Q(deleting_at=None), missing_at=now):
        return False
    audit.log(
        "backup.missing", logging.ERROR, backup=backup.pk, instance=backup.instance,
        destination=backup.destination.name, file=backup.backup_path,
    )  # fmt: skip
    return True
