"""Taking an execution: exactly one process gets it, and one instance has one run at a time that needs it."""

from django.db import IntegrityError, transaction
from django.utils import timezone

from backups.errors import InstanceBusy, NotQueued
from backups.models import BackupExecution, RestoreExecution, Run
from backups.service import audit
from backups.service.reap import reap
from backups.service.rowlock import lock_instance
from backups.service.worker import this_worker

Status = Run.Status


def claim(execution: Run) -> None:
    """Turn `execution` from queued to running, by conditional update and unique constraint.

    Raises InstanceBusy when it needs the instance and another one runs there (this one stays queued), NotQueued when it
    was taken, cancelled or ended before.
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
                Status.QUEUED, status=Status.RUNNING, started_at=now, heartbeat_at=now, worker=this_worker()
            )
    except IntegrityError as error:
        raise InstanceBusy(
            f"another {execution.noun} of {execution.instance} is running",
            hint="this one can start when the other has ended",
        ) from error
    if not taken:
        execution.refresh_from_db(fields=["status"])
        raise NotQueued(f"execution {execution.pk} is {execution.status}, not queued")
    audit.log(f"{execution.word}.claimed", execution=execution.pk, instance=execution.instance, worker=execution.worker)


def _require_idle(run: Run) -> None:
    """A backup waits for a running restore and the other way round; a restore's own safety backup does not."""
    if isinstance(run, BackupExecution) and run.kind == BackupExecution.Kind.SAFETY:
        return
    other = RestoreExecution if isinstance(run, BackupExecution) else BackupExecution
    if other.objects.filter(instance=run.instance, status=Status.RUNNING).exists():
        raise InstanceBusy(
            f"a {other.noun} of {run.instance} is running", hint="this one can start when the other has ended"
        )
