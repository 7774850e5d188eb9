"""Ending queued runs that nothing will carry out: their process died, or they waited too long."""

from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone

from backups.models import Run
from backups.runs import finish
from backups.runs.recovery.liveness import is_dead
from backups.runs.registry import RunKind, kinds

Status, Owner = Run.Status, Run.Owner


def reap_queued(*, instance: str | None = None) -> list[Run]:
    """End the runs that a process made for itself and then died, and those that expired; return them.

    Nothing of an instance was touched for any of them, so there is nothing to recover: it takes a moment.
    """
    now = timezone.now()
    ended: list[Run] = []
    for kind in kinds():
        lost = Q(owner=Owner.PROCESS) | (kind.expired(now) or Q())
        queued = kind.rows().filter(lost, status=Status.QUEUED)
        if instance is not None:
            queued = queued.filter(instance=instance)
        ended += [run for run in queued if _end(kind, run, now)]
    return ended


def _end(kind: RunKind[Any], run: Run, now: datetime) -> bool:
    """End `run` if it is one of these; False for another one, or when another process was first."""
    if kind.is_expired(run, now):
        return finish.expired(run, kind.expiry_message(), kind.again)
    if run.owner != Owner.PROCESS or not is_dead(run, now):
        return False
    message = f"The process that was to run it ({run.worker}) died before it began. Nothing was changed."
    return finish.unstarted(run, message, kind.again)
