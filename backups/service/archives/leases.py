"""Leases on archives: an archive that is being read is not deleted meanwhile.

Reader and deleter each write their own mark first and check for the other's afterwards, so that in a race at least one
of them sees the other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from backups.errors import BackupError
from backups.lib.processes import identity
from backups.models import ArchiveUse, BackupExecution, CopyExecution, DrillExecution, RestoreExecution, Run
from backups.runs.queue.ownership import this_worker

# the lease of a reader that was killed expires; no download lasts that long
LONGEST_USE = timedelta(days=1)
# the lock of a deletion that was killed expires
LONGEST_DELETION = timedelta(minutes=15)


@contextmanager
def read_lease(backup: BackupExecution) -> Iterator[None]:
    """Hold a lease on the archive of `backup`. Raises BackupError when it is being deleted."""
    use = ArchiveUse.objects.create(execution=backup, worker=this_worker(), process=identity(), since=timezone.now())
    try:
        backup.refresh_from_db(fields=["deleting_at", "deleted_at", "missing_at", "status"])
        # after the lease is written: a deletion that begins later sees it
        if being_deleted(backup):
            raise BackupError(f"{backup} is being deleted right now.", hint="Use another backup.")
        yield
    finally:
        use.delete()


def being_deleted(backup: BackupExecution) -> bool:
    return backup.deleting_at is not None and timezone.now() - backup.deleting_at < LONGEST_DELETION


def not_being_deleted(now: datetime) -> Q:
    """Match archives without a deletion, or with one that was killed."""
    return Q(deleting_at=None) | Q(deleting_at__lt=now - LONGEST_DELETION)


def release_leases(run: Run) -> None:
    """Release the leases of the process of `run`, which has ended."""
    # another process may have its pid by now; a release before that column wrote no process
    ArchiveUse.objects.filter(worker=run.worker, process__in=("", run.process)).delete()


def used_backups() -> set[str]:
    """Return the ids of backups with a lease, or with a queued or running restore or drill."""
    ArchiveUse.objects.filter(since__lt=timezone.now() - LONGEST_USE).delete()
    pairs = RestoreExecution.objects.active().order_by().values_list("execution", "safety_backup")
    used = set(ArchiveUse.objects.values_list("execution", flat=True))
    used |= set(DrillExecution.objects.active().order_by().values_list("execution", flat=True))
    used |= set(CopyExecution.objects.active().order_by().values_list("copy__execution", flat=True))
    return used.union(*({pk for pk in pair if pk is not None} for pair in pairs))
