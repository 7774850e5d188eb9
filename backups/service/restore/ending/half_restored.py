"""Half-restored instances: restores that failed or died and were not rolled back."""

from django.utils import timezone

from backups.models import RestoreExecution
from backups.runs.recovery.liveness import is_dead

Status = RestoreExecution.Status


def not_rolled_back() -> list[RestoreExecution]:
    """Return the ended restores that were not rolled back, newest first, until each is undone or acknowledged."""
    unacknowledged = RestoreExecution.objects.filter(
        status__in=RestoreExecution.UNSUCCESSFUL, acknowledged_at=None, safety_backup__isnull=False
    ).exclude(undone_by__status=Status.COMPLETED)
    # each page asks for them, and there is hardly ever one: only these are read in full
    touched = [restore.pk for restore in unacknowledged.order_by().only("outcome") if restore.touched]
    return list(RestoreExecution.objects.filter(pk__in=touched)) if touched else []


def dead_not_rolled_back() -> list[RestoreExecution]:
    """Return the running restores whose process died while it changed the instance: the next tick rolls them back."""
    now = timezone.now()
    return [restore for restore in RestoreExecution.objects.running() if restore.touched and is_dead(restore, now)]
