"""Tasks of django-q2, and their dispatch: a message carries the id of a run, and the row holds its state."""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from backups.lib.log_context import RUN_ID, logged_as
from backups.models import Run
from backups.runs.queue.queues import QUEUED, RESERVED_FOR, queue_of, reserve, waiting
from backups.runs.queue.slots import slot
from backups.runs.registry import RunKind, kind_named, models
from backups.worker.child_process import supervise
from backups.worker.q2.cluster import is_ending, own_queue
from backups.worker.q2.enqueue import send_message

Status = Run.Status
# A task starts further runs for this long: the timeout of django-q2 covers all runs of a task.
BURST_SECONDS = 60
# between messages for what waits behind short runs: more of them would only say the same
DISPATCH_SECONDS = 1.0
# of runs that are started together: more than the slots of a few hosts
MOST_MESSAGES = 20


def enqueue(run: Run) -> None:
    """Send a message for `run` to a worker of its instance's queue as soon as the row is committed."""
    transaction.on_commit(partial(_dispatch, run))


def enqueue_all(runs: Sequence[Run]) -> None:
    """Do for the new `runs` of one kind and queue what `enqueue` does, with messages for the first ones only.

    A message leads to whatever waits, the oldest first; each run that ends and each tick send further ones.
    """
    if not runs:
        return
    # by one conditional update: of two processes with the same rows only one sends messages
    rows = type(runs[0]).objects.filter(QUEUED, pk__in=[run.pk for run in runs], rang_at=None)
    if not rows.update(rang_at=timezone.now()):
        return
    for run in runs[:MOST_MESSAGES]:
        send_message(queue_of(run.instance), f"backups.worker.tasks.{run.noun}", run.pk)


def backup(backup_id: str) -> str:
    """Run queued backups in a worker. Idempotent: a message may come twice or late, or its run may have ended."""
    return _run_next(kind_named("backup"), backup_id)


def restore(restore_id: str) -> str:
    """Run queued restores in a worker."""
    return _run_next(kind_named("restore"), restore_id)


def drill(drill_id: str) -> str:
    """Run queued drills and verifications in a worker."""
    return _run_next(kind_named("drill"), drill_id)


def copy(copy_id: str) -> str:
    """Run queued copies to one more destination in a worker."""
    return _run_next(kind_named("copy"), copy_id)


def dispatch_waiting(queue: str) -> int:
    """Send messages for as many waiting runs of `queue` as could start at once; return how many."""
    return sum(_dispatch(run) for model in models() for run in waiting(model, queue)[: settings.BACKUP_WORKERS])


def dispatch_lost(queue: str) -> int:
    """Send messages again for waiting runs of `queue` whose last message was sent a minute ago; return how many."""
    lost = Q(rang_at=None) | Q(rang_at__lt=timezone.now() - RESERVED_FOR)
    runs = [run for model in models() for run in waiting(model, queue).filter(lost)[: settings.BACKUP_WORKERS]]
    return sum(_dispatch(run) for run in runs)


def _dispatch(run: Run) -> bool:
    """Send the message for `run` and record the time; False when it was not sent."""
    # by conditional update: of two processes with the same row only one sends it
    rows = type(run).objects.filter(QUEUED, pk=run.pk, rang_at=run.rang_at)
    if not rows.update(rang_at=timezone.now()):
        return False
    return send_message(queue_of(run.instance), f"backups.worker.tasks.{run.noun}", run.pk)


def _run_next(kind: RunKind[Any], run_id: str) -> str:
    """Run waiting runs, those of the instance of `run_id` first, then the oldest; none when no slot is free here."""
    named = kind.model.objects.filter(pk=run_id).first()
    if named is None:
        return "there is no such row"
    # while the instances file could not be read, or was another one, the message may have gone to the wrong queue
    queue, ended = own_queue() or queue_of(named.instance), []
    with slot(kind) as free:
        if not free:
            return "waiting for a slot"
        burst_until = time.monotonic() + BURST_SECONDS
        dispatch_at = 0.0
        while not is_ending() and (run := _next(kind, queue, named.instance)):
            with logged_as(RUN_ID, run.pk):
                ended.append(f"{run.pk} {supervise(kind, run)}")
            now = time.monotonic()
            # for other hosts of the queue with a free slot, and for what this task leaves
            if now > min(dispatch_at, burst_until):
                dispatch_waiting(queue)
                dispatch_at = now + DISPATCH_SECONDS
            if now > burst_until:
                break
    return ", ".join(ended) or "nothing waits"


def _next(kind: RunKind[Any], queue: str, instance: str) -> Run | None:
    """Return the run to start now, reserved for this process."""
    candidates: QuerySet[Run] = waiting(kind.model, queue)
    while run := candidates.filter(instance=instance).first() or candidates.first():
        if reserve(run):
            return run
    return None


def start_next(ended: Run) -> None:
    """Enqueue the oldest waiting run of each kind for the instance of the run that has `ended`."""
    queue = queue_of(ended.instance)
    for model in models():
        # most often none is queued at all
        if not model.objects.filter(QUEUED, instance=ended.instance).exists():
            continue
        if (run := waiting(model, queue).filter(instance=ended.instance).first()) is not None:
            enqueue(run)
