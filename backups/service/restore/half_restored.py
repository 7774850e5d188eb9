"""Restores that failed and could not be rolled back: their instances are neither what they were nor what was wanted."""

from django.utils import timezone

from backups.models import RestoreExecution
from backups.runs.recovery.liveness import is_dead

Status = RestoreExecution.Status


def left_half_done() -> list[RestoreExecution]:
    """Return them, the newest first, until one is undone or acknowledged."""
    open_ones = RestoreExecution.objects.filter(
        status__in=RestoreExecution.UNSUCCESSFUL, acknowledged_at=None, safety_backup__isnull=False
    ).exclude(undone_by__status=Status.COMPLETED)
    return [restore for restore in open_ones if restore.touched]


def dead_halfway() -> list[RestoreExecution]:
    """Return those whose process died in the middle: the next tick rolls them back."""
    now = timezone.now()
    return [restore for restore in RestoreExecution.objects.running() if restore.touched and is_dead(restore, now)]
