"""Taking a queued run: exactly one process gets it, and one instance has one run at a time that needs it."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from backups.errors import InstanceBusy, NotQueued
from backups.lib import audit
from backups.lib.processes import identity
from backups.models import InstanceState, Run
from backups.runs.queue.holder import run_by_us
from backups.runs.registry import kind_of, kinds

Status, Owner = Run.Status, Run.Owner
WHEN_FREE = "this one can start when the other has ended"


def claim(run: Run) -> None:
    """Turn `run` from queued to running, by conditional update and unique constraint.

    A dead run holds its instance until it is reaped: call `reap` before.

    Raises InstanceBusy when it needs the instance and another one runs there (this one stays queued), NotQueued when it
    was taken, cancelled or ended before, and when it is for another process than this one.
    """
    now = timezone.now()
    try:
        with transaction.atomic():
            if run.needs_instance:
                # backups and restores are two tables, which one constraint cannot span: their claims come one by one
                lock_instance(run.instance)
                _require_idle(run)
            taken = run.moved(
                Status.QUEUED, _may_take(run, now), status=Status.RUNNING, started_at=now, **run_by_us(now)
            )
    except IntegrityError as error:
        raise InstanceBusy(f"another {run.noun} of {run.instance} is running", hint=WHEN_FREE) from error
    if not taken:
        raise _not_taken(run)
    audit.log(f"{run.word}.claimed", execution=run.pk, instance=run.instance, worker=run.worker)


def lock_instance(instance: str) -> None:
    """Hold the row of the instance until the transaction ends, between processes of all hosts."""
    InstanceState.objects.get_or_create(instance=instance)
    InstanceState.objects.select_for_update().get(instance=instance)


def _may_take(run: Run, now: datetime) -> Q:
    """Match a run of the queue, or one that this process made for itself, unless it waited too long."""
    mine = Q(owner=Owner.QUEUE) | Q(owner=Owner.PROCESS, process=identity())
    return mine & kind_of(run).startable(now)


def _not_taken(run: Run) -> NotQueued:
    run.refresh_from_db(fields=["status", "owner", "worker"])
    if run.status == Status.QUEUED and run.owner == Owner.PROCESS:
        return NotQueued(
            f"execution {run.pk} belongs to the process that made it ({run.worker})",
            hint="that process runs it; when it is gone the next tick ends it",
        )
    return NotQueued(f"execution {run.pk} is {run.status}, not queued")


def _require_idle(run: Run) -> None:
    """Raise InstanceBusy while a run of another kind holds the instance, unless that one started `run`."""
    if run.is_part_of_another:
        return
    for other in kinds():
        if other.noun == run.noun or not other.model.needs_instance:
            continue
        if other.model.objects.filter(instance=run.instance, status=Status.RUNNING).exists():
            raise InstanceBusy(f"a {other.noun} of {run.instance} is running", hint=WHEN_FREE)
