"""Reaping queued runs: those whose process died before the claim, and those that expired."""

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
    """End the queued runs whose own process died, and those that expired; return them."""
    # none of them has changed an instance, so there is nothing to roll back
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
    """End `run` if it expired or its process is dead; else False, also when another process ended it first."""
    if kind.is_expired(run, now):
        return finish.expire(run, kind.expiry_message(), kind.again)
    if run.owner != Owner.PROCESS or not is_dead(run, now):
        return False
    if kind.recover_queued(run):
        return True
    message = f"The process that was to run it ({run.worker}) died before it began. Nothing was changed."
    return finish.fail_to_start(run, message, kind.again)
