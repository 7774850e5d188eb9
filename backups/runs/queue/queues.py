"""Queues: each instance belongs to one, whose worker runs on the host that holds the files of the instance."""

from datetime import timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from backups.instances import inventory, is_settled
from backups.lib.processes import identity, is_gone
from backups.models import Run
from backups.runs.queue.ownership import reservation_fields
from backups.runs.registry import models

AnyRun = TypeVar("AnyRun", bound=Run)
AnyRow = TypeVar("AnyRow", bound=Model)
FREE: dict[str, Any] = {"worker": "", "reserved_by": "", "reserved_at": None}
# after that a message counts as lost, and a reservation as abandoned
RESERVED_FOR = timedelta(minutes=1)
# any worker may claim these; the others belong to the process that created them
QUEUED = Q(status=Run.Status.QUEUED, owner=Run.Owner.QUEUE)


def queue_of(instance: str) -> str:
    """Return the queue that instances.toml gives to `instance`; BACKUP_QUEUE when it names none."""
    return inventory().queues.get(instance) or settings.BACKUP_QUEUE


def queues() -> dict[str, list[str]]:
    """Return each queue with its instances, by name."""
    found: dict[str, list[str]] = {}
    for name, queue in sorted(inventory().queues.items()):
        found.setdefault(queue or settings.BACKUP_QUEUE, []).append(name)
    return dict(sorted(found.items()))


def of_queue(runs: "QuerySet[AnyRow]", queue: str) -> "QuerySet[AnyRow]":
    """Return those of `runs` whose instance belongs to `queue`; unknown instances belong to BACKUP_QUEUE."""
    if queue != settings.BACKUP_QUEUE:
        return runs.filter(instance__in=queues().get(queue, []))
    elsewhere = [name for other, names in queues().items() if other != queue for name in names]
    return runs.exclude(instance__in=elsewhere) if elsewhere else runs


def certainly_of_queue(rows: "QuerySet[AnyRow]", queue: str) -> "QuerySet[AnyRow]":
    """As `of_queue`, without unknown instances while the file has a problem or is being written: it may name them."""
    # read first: the file may begin to be written in between
    known = queues().get(queue, [])
    return of_queue(rows, queue) if is_settled() else rows.filter(instance__in=known)


def waiting(model: type[AnyRun], queue: str) -> "QuerySet[AnyRun]":
    """Return the queued runs of `queue` that a worker may start now, oldest first.

    Runs whose instance is in use, and reserved runs, are left out, and those whose queue is not known for now.
    """
    # the process that created a newer run without a message is about to send it
    dispatched = Q(rang_at__isnull=False) | Q(created_at__lt=timezone.now() - RESERVED_FOR)
    runs = model.objects.filter(dispatched, QUEUED)
    if model.needs_instance:
        for other in (other for other in models() if other.needs_instance):
            runs = runs.exclude(instance__in=other.objects.filter(running_or_reserved()).values("instance"))
    else:
        runs = runs.exclude(running_or_reserved())
    return certainly_of_queue(runs, queue).order_by("created_at", "pk")


def running_or_reserved() -> Q:
    """Match the runs that run, and those that a task has reserved and is about to start."""
    reserved = Q(status=Run.Status.QUEUED, reserved_at__gte=timezone.now() - RESERVED_FOR)
    return Q(status=Run.Status.RUNNING) | reserved


def reserve(run: Run) -> bool:
    """Reserve the queued `run` for this process, for a minute; False when another process was first.

    Calling it again extends the reservation.
    """
    # without it two messages for one run would start two processes
    unchanged = Q(owner=Run.Owner.QUEUE, reserved_at=run.reserved_at)
    return run.transition(Run.Status.QUEUED, unchanged, **reservation_fields(timezone.now()))


def release(run: Run) -> None:
    """Release the reservation of `run` by this process."""
    run.transition(Run.Status.QUEUED, Q(owner=Run.Owner.QUEUE, reserved_by=identity()), **FREE)


def release_dead() -> int:
    """Release the reservations of tasks of this host that died; return how many."""
    reserved = [run for model in models() for run in model.objects.filter(QUEUED, reserved_at__isnull=False)]
    dead = [run for run in reserved if is_gone(run.reserved_by)]
    return sum(run.transition(Run.Status.QUEUED, Q(reserved_by=run.reserved_by), **FREE) for run in dead)
