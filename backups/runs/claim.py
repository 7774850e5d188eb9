"""Taking an execution: exactly one process gets it, and one instance has one run at a time that needs it."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from backups.errors import InstanceBusy, NotQueued
from backups.models import BackupExecution, RestoreExecution, Run
from backups.processes import identity
from backups.runs import audit
from backups.runs.queue.holder import held_here
from backups.runs.recovery.reap import reap
from backups.runs.rowlock import lock_instance
from backups.service.confirmation import valid

Status, Owner = Run.Status, Run.Owner


def claim(execution: Run) -> None:
    """Turn `execution` from queued to running, by conditional update and unique constraint.

    Raises InstanceBusy when it needs the instance and another one runs there (this one stays queued), NotQueued when it
    was taken, cancelled or ended before, and when it is for another process than this one.
    """
    reap(instance=execution.instance)
    now = timezone.now()
    try:
        with transaction.atomic():
            if execution.needs_instance:
                # of backups and of restores, which are two tables, claims come one after another
                lock_instance(execution.instance)
                _require_idle(execution)
            taken = execution.moved(
                Status.QUEUED, _may_take(execution, now), status=Status.RUNNING, started_at=now, **held_here(now)
            )
    except IntegrityError as error:
        raise InstanceBusy(
            f"another {execution.noun} of {execution.instance} is running",
            hint="this one can start when the other has ended",
        ) from error
    if not taken:
        raise _not_taken(execution)
    audit.log(f"{execution.word}.claimed", execution=execution.pk, instance=execution.instance, worker=execution.worker)


def _may_take(run: Run, now: datetime) -> Q:
    """A run that a process made for itself is for that process, and a restore must have been confirmed lately."""
    mine = Q(owner=Owner.QUEUE) | Q(owner=Owner.PROCESS, process=identity())
    return mine & valid(now) if isinstance(run, RestoreExecution) else mine


def _not_taken(run: Run) -> NotQueued:
    run.refresh_from_db(fields=["status", "owner", "worker"])
    if run.status == Status.QUEUED and run.owner == Owner.PROCESS:
        return NotQueued(
            f"execution {run.pk} belongs to the process that made it ({run.worker})",
            hint="that process runs it; when it is gone the next tick ends it",
        )
    return NotQueued(f"execution {run.pk} is {run.status}, not queued")


def _require_idle(run: Run) -> None:
    """A backup waits for a running restore and the other way round; a restore's own safety backup does not."""
    if isinstance(run, BackupExecution) and run.kind == BackupExecution.Kind.SAFETY:
        return
    other = RestoreExecution if isinstance(run, BackupExecution) else BackupExecution
    if other.objects.filter(instance=run.instance, status=Status.RUNNING).exists():
        raise InstanceBusy(
            f"a {other.noun} of {run.instance} is running", hint="this one can start when the other has ended"
        )
