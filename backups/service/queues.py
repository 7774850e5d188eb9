"""Which worker an instance belongs to: the host that holds its files runs `worker` for its queue."""

from datetime import timedelta
from typing import TypeVar

from django.conf import settings
from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from backups.instances import inventory
from backups.models import BackupExecution, DrillExecution, RestoreExecution, Run
from backups.processes import is_living
from backups.service.worker import on_this_host, this_worker

AnyRun = TypeVar("AnyRun", bound=Run)
AnyRow = TypeVar("AnyRow", bound=Model)
NOBODY_CAME = timedelta(minutes=1)
MODELS: tuple[type[Run], ...] = (BackupExecution, RestoreExecution, DrillExecution)


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

    Each was handed to a worker, or nobody came for it in a minute. Of those that need their instance, none else runs
    there, or is about to.
    """
    handed_over = Q(rang_at__isnull=False) | Q(created_at__lt=timezone.now() - NOBODY_CAME)
    runs = model._default_manager.filter(handed_over, status=Run.Status.QUEUED)
    if model.needs_instance:
        for other in (one for one in MODELS if one.needs_instance):
            runs = runs.exclude(instance__in=other._default_manager.filter(in_hand()).values("instance"))
    else:
        runs = runs.exclude(in_hand())
    return of_queue(runs, queue).order_by("created_at", "pk")


def in_hand() -> Q:
    """A run that runs, or that a task has reserved and is about to start."""
    reserved = Q(status=Run.Status.QUEUED, heartbeat_at__gte=timezone.now() - NOBODY_CAME)
    return Q(status=Run.Status.RUNNING) | reserved


def reserve(run: Run) -> bool:
    """Keep the queued `run` for this process; False when another was first.

    It lasts a minute, and longer each time it is repeated. Two messages then start no two processes for one run.
    """
    now = timezone.now()
    rows = type(run)._default_manager.filter(pk=run.pk, status=Run.Status.QUEUED, heartbeat_at=run.heartbeat_at)
    if not rows.update(worker=this_worker(), heartbeat_at=now):
        return False
    run.worker, run.heartbeat_at = this_worker(), now
    return True


def release(run: Run) -> None:
    """Leave the queued `run` to others again."""
    rows = type(run)._default_manager.filter(pk=run.pk, status=Run.Status.QUEUED, worker=this_worker())
    rows.update(worker="", heartbeat_at=None)


def release_dead() -> int:
    """Leave to others what tasks of this host had reserved and then died; return how many runs."""
    released = 0
    for model in MODELS:
        for run in model._default_manager.filter(status=Run.Status.QUEUED, heartbeat_at__isnull=False):
            if on_this_host(run.worker) and not is_living(int(run.worker.rpartition(":")[2])):
                rows = model._default_manager.filter(pk=run.pk, status=Run.Status.QUEUED, worker=run.worker)
                released += rows.update(worker="", heartbeat_at=None)
    return released
