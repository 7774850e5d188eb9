"""Tasks: a message carries the id of a row, and the row is the truth."""

import time
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from backups.models import Run
from backups.runs.queue.queues import NOBODY_CAME, QUEUED, queue_of, reserve, waiting
from backups.runs.queue.slots import slot
from backups.runs.registry import RunKind, kind_named, kinds
from backups.worker.child_process import supervise
from backups.worker.q2.cluster import is_ending
from backups.worker.q2.enqueue import ring

Status = Run.Status
# A task goes on with the next run at once for this long: django-q2's own timeout is for all that it does.
BURST_SECONDS = 60


def enqueue(run: Run) -> None:
    """Send a message for `run` to a worker of its instance's queue as soon as the row is committed."""
    transaction.on_commit(partial(_dispatch, run))


def backup(execution_id: str) -> str:
    """Run one queued backup, in a worker. Idempotent: a message may come twice, late or for nothing."""
    return _run_next(kind_named("backup"), execution_id)


def restore(restore_id: str) -> str:
    """Run one queued restore, in a worker."""
    return _run_next(kind_named("restore"), restore_id)


def drill(drill_id: str) -> str:
    """Run one queued drill or verification, in a worker."""
    return _run_next(kind_named("drill"), drill_id)


def dispatch_waiting(queue: str) -> int:
    """Send a message for as many waiting runs of `queue` as could start at once; return how many."""
    return sum(_dispatch(run) for kind in kinds() for run in waiting(kind.model, queue)[: settings.BACKUP_WORKERS])


def dispatch_forgotten(queue: str) -> int:
    """Send one again for waiting runs of `queue` when the last was a minute ago: a message can be lost."""
    long_ago = Q(rang_at=None) | Q(rang_at__lt=timezone.now() - NOBODY_CAME)
    forgotten = [
        run for kind in kinds() for run in waiting(kind.model, queue).filter(long_ago)[: settings.BACKUP_WORKERS]
    ]
    return sum(_dispatch(run) for run in forgotten)


def _dispatch(run: Run) -> bool:
    """Send the message, and record when. Of two that come to the same row at once only one sends it."""
    rows = type(run).objects.filter(QUEUED, pk=run.pk, rang_at=run.rang_at)
    if not rows.update(rang_at=timezone.now()):
        return False
    return ring(queue_of(run.instance), f"backups.worker.tasks.{run.noun}", run.pk)


def _run_next(kind: RunKind[Any], run_id: str) -> str:
    """Run what waits for the instance of that run, or else what waits longest; nothing when no slot is free here."""
    named = kind.model.objects.filter(pk=run_id).first()
    if named is None:
        return "there is no such row"
    queue, ended = queue_of(named.instance), []
    with slot(kind) as free:
        if not free:
            return "waiting for a slot"
        enough = time.monotonic() + BURST_SECONDS
        while not is_ending() and (run := _next(kind, queue, named.instance)):
            ended.append(f"{run.pk} {supervise(kind, run)}")
            dispatch_waiting(queue)  # another host may have a free slot
            if time.monotonic() > enough:
                break
    return ", ".join(ended) or "nothing waits"


def _next(kind: RunKind[Any], queue: str, instance: str) -> Run | None:
    """Return the run that is to be started now, reserved for this process."""
    candidates: QuerySet[Run] = waiting(kind.model, queue)
    while run := candidates.filter(instance=instance).first() or candidates.first():
        if reserve(run):
            return run
    return None


def start_next(ended: Run) -> None:
    """Let a worker start the oldest waiting run of the instance of a run that has ended, also in a command."""
    queue = queue_of(ended.instance)
    for kind in kinds():
        if (run := waiting(kind.model, queue).filter(instance=ended.instance).first()) is not None:
            enqueue(run)
