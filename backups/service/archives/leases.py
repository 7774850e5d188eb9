"""Who reads which archive at this moment, so that nobody deletes it meanwhile.

Reader and deleter each leave their mark first and look for the other's then: at least one of them sees the other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from backups.errors import BackupError
from backups.models import ArchiveUse, BackupExecution, DrillExecution, RestoreExecution
from backups.runs.queue.holder import this_worker

# a reader that was killed leaves its mark; no download lasts that long
LONGEST_USE = timedelta(days=1)
# a deletion that was killed lets go of the archive after this long
LONGEST_DELETION = timedelta(minutes=15)


@contextmanager
def reading(backup: BackupExecution) -> Iterator[None]:
    """Keep the archive of `backup` where it is meanwhile. Raises BackupError when it is being deleted."""
    use = ArchiveUse.objects.create(execution=backup, worker=this_worker(), since=timezone.now())
    try:
        backup.refresh_from_db(fields=["deleting_at", "deleted_at", "missing_at", "status"])
        if being_deleted(backup):
            raise BackupError(f"{backup} is being deleted right now", hint="use another backup")
        yield
    finally:
        use.delete()


def being_deleted(backup: BackupExecution) -> bool:
    return backup.deleting_at is not None and timezone.now() - backup.deleting_at < LONGEST_DELETION


def not_being_deleted(now: datetime) -> Q:
    """Match the archives that no deletion holds, or only one that was killed."""
    return Q(deleting_at=None) | Q(deleting_at__lt=now - LONGEST_DELETION)


def let_go(worker: str) -> None:
    """Forget what the process `worker` read: it is gone."""
    ArchiveUse.objects.filter(worker=worker).delete()


def used_backups() -> set[str]:
    """Return the ids of all executions whose archive is being read, or is that of a restore or a drill under way."""
    ArchiveUse.objects.filter(since__lt=timezone.now() - LONGEST_USE).delete()
    pairs = RestoreExecution.objects.active().values_list("execution", "safety_backup")
    used = set(ArchiveUse.objects.values_list("execution", flat=True))
    used |= set(DrillExecution.objects.active().values_list("execution", flat=True))
    return used.union(*({pk for pk in pair if pk is not None} for pair in pairs))
