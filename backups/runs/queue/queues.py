"""Which worker an instance belongs to: the host that holds its files runs `worker` for its queue."""

from datetime import timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from backups.instances import inventory
from backups.lib.processes import identity, is_gone
from backups.models import Run
from backups.runs.queue.holder import reserved_by_us
from backups.runs.registry import kinds

AnyRun = TypeVar("AnyRun", bound=Run)
AnyRow = TypeVar("AnyRow", bound=Model)
FREE: dict[str, Any] = {"worker": "", "reserved_by": "", "reserved_at": None}
NOBODY_CAME = timedelta(minutes=1)
# what a worker may take; the others are run by the process that made them
QUEUED = Q(status=Run.Status.QUEUED, owner=Run.Owner.QUEUE)


def queue_of(instance: str) -> str:
    """Return the queue that instances.toml gives to `instance`; BACKUP_QUEUE when it names none."""
    found = inventory().instances.get(instance)
    return (found.queue if found else "") or settings.BACKUP_QUEUE


def queues() -> dict[str, list[str]]:
    """Return each queue with its instances, by name."""
    found: dict[str, list[str]] = {}
    for name in sorted(inventory().instances):
        found.setdefault(queue_of(name), []).append(name)
    return dict(sorted(found.items()))


def of_queue(runs: "QuerySet[AnyRow]", queue: str) -> "QuerySet[AnyRow]":
    """Return those of `runs` whose instance belongs to `queue`. An instance that is unknown belongs to the default."""
    if queue != settings.BACKUP_QUEUE:
        return runs.filter(instance__in=queues().get(queue, []))
    elsewhere = [name for other, names in queues().items() if other != queue for name in names]
    return runs.exclude(instance__in=elsewhere) if elsewhere else runs


def waiting(model: type[AnyRun], queue: str) -> "QuerySet[AnyRun]":
    """Return the queued runs of `queue` that a worker may start now, oldest first.

    Each was dispatched, or is older than a minute. Of those that need their instance, none else runs
    there, or is about to.
    """
    handed_over = Q(rang_at__isnull=False) | Q(created_at__lt=timezone.now() - NOBODY_CAME)
    runs = model.objects.filter(handed_over, QUEUED)
    if model.needs_instance:
        for other in (kind for kind in kinds() if kind.model.needs_instance):
            runs = runs.exclude(instance__in=other.model.objects.filter(in_hand()).values("instance"))
    else:
        runs = runs.exclude(in_hand())
    return of_queue(runs, queue).order_by("created_at", "pk")


def in_hand() -> Q:
    """A run that runs, or that a task has reserved and is about to start."""
    reserved = Q(status=Run.Status.QUEUED, reserved_at__gte=timezone.now() - NOBODY_CAME)
    return Q(status=Run.Status.RUNNING) | reserved


def reserve(run: Run) -> bool:
    """Keep the queued `run` for this process; False when another was first.

    It lasts a minute, and longer each time it is repeated. Two messages then start no two processes for one run.
    """
    unchanged = Q(owner=Run.Owner.QUEUE, reserved_at=run.reserved_at)
    return run.moved(Run.Status.QUEUED, unchanged, **reserved_by_us(timezone.now()))


def release(run: Run) -> None:
    """Leave the queued `run` to others again."""
    run.moved(Run.Status.QUEUED, Q(owner=Run.Owner.QUEUE, reserved_by=identity()), **FREE)


def release_dead() -> int:
    """Leave to others what tasks of this host had reserved and then died; return how many runs."""
    reserved = [run for kind in kinds() for run in kind.rows().filter(QUEUED, reserved_at__isnull=False)]
    dead = [run for run in reserved if is_gone(run.reserved_by)]
    return sum(run.moved(Run.Status.QUEUED, Q(reserved_by=run.reserved_by), **FREE) for run in dead)
