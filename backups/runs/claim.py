"""The claim of a queued run: exactly one process gets it, and no other run holds its instance."""

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from backups.errors import InstanceBusy, NotQueued
from backups.lib import audit
from backups.lib.processes import identity
from backups.models import InstanceState, Run
from backups.runs.queue.ownership import running_fields
from backups.runs.registry import kind_of, models, record_beside, steps_of

Status, Owner = Run.Status, Run.Owner
WHEN_FREE = "This one can start when the other has ended."


def claim(run: Run) -> None:
    """Turn `run` from queued to running, by conditional update and unique constraint.

    Raises InstanceBusy when it needs the instance and another run holds that (`run` stays queued), and NotQueued when
    it was claimed, cancelled or ended before, waited too long, or belongs to another process.
    """
    # a dead run holds its instance until it is reaped: callers reap first
    now = timezone.now()
    ours = Q(owner=Owner.QUEUE) | Q(owner=Owner.PROCESS, process=identity())
    try:
        with transaction.atomic():
            if run.needs_instance:
                # no constraint can span the tables of backups and restores, so their claims are serialised
                lock_instance(run.instance)
                # a constraint covers the runs of its own kind
                others = [model for model in models() if model.noun != run.noun and model.needs_instance]
                for other in () if run.is_part_of_another else others:
                    if other.objects.filter(instance=run.instance, status=Status.RUNNING).exists():
                        raise InstanceBusy(f"A {other.noun} of {run.instance} is running.", hint=WHEN_FREE)
            claimed = run.transition(
                Status.QUEUED,
                ours & kind_of(run).startable(now),
                status=Status.RUNNING,
                started_at=now,
                **running_fields(now),
            )
            if claimed:
                record_beside(steps_of(run).with_claim, run)
    except IntegrityError as error:
        raise InstanceBusy(f"Another {run.noun} of {run.instance} is running.", hint=WHEN_FREE) from error
    if claimed:
        audit.log(f"{run.label}.claimed", **run.log_key, instance=run.instance, worker=run.worker)
        return
    # the error says what became of it
    run.refresh_from_db(fields=["status", "owner", "worker"])
    if run.status == Status.QUEUED and run.owner == Owner.PROCESS:
        raise NotQueued(
            f"The {run.noun} {run.pk} belongs to the process that created it ({run.worker}).",
            hint="That process runs it. When the process is gone, the next tick ends the run.",
        )
    raise NotQueued(f"The {run.noun} {run.pk} is {run.status}, not queued.")


def lock_instance(instance: str) -> None:
    """Lock the row of the instance, for processes of all hosts, until the transaction ends."""
    InstanceState.objects.get_or_create(instance=instance)
    InstanceState.objects.select_for_update().get(instance=instance)
