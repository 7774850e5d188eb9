"""Ending queued runs that nothing will carry out: their process died, or their confirmation expired."""

from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from backups.models import BackupExecution, RestoreExecution, Run
from backups.runs import finish
from backups.runs.queue.queues import MODELS
from backups.runs.recovery.liveness import is_dead
from backups.service.confirmation import AGAIN, end_message, expired, is_expired

Status, Owner = Run.Status, Run.Owner


def end_lost(*, instance: str | None = None) -> list[Run]:
    """End the runs that a process made for itself and then died, and the restores that waited too long; return them.

    Nothing of an instance was touched for any of them, so there is nothing to put right: it takes a moment.
    """
    now = timezone.now()
    ended: list[Run] = []
    for model in MODELS:
        lost = expired(now) if model is RestoreExecution else Q()
        queued: QuerySet[Any] = model._default_manager.filter(Q(owner=Owner.PROCESS) | lost, status=Status.QUEUED)
        if model is BackupExecution:
            queued = queued.select_related("destination")
        if instance is not None:
            queued = queued.filter(instance=instance)
        ended += [run for run in queued if _end(run, now)]
    return ended


def _end(run: Run, now: datetime) -> bool:
    """End `run` if it is one of these; False for another one, or when somebody else was first."""
    if isinstance(run, RestoreExecution) and is_expired(run, now):
        return finish.expired(run, end_message(), AGAIN)
    if run.owner != Owner.PROCESS or not is_dead(run, now):
        return False
    message = f"the process that was to run it ({run.worker}) died before it began; nothing was changed"
    again = AGAIN if isinstance(run, RestoreExecution) else "run it again"
    return finish.unstarted(run, message, again)
