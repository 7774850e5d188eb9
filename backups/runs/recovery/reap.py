"""Ending the runs of processes that died: a killed one runs no `finally`."""

from django.utils import timezone

from backups.models import Run
from backups.runs import workspace
from backups.runs.recovery import unrecorded
from backups.runs.recovery.liveness import is_dead
from backups.runs.recovery.reap_waiting import reap_queued
from backups.runs.registry import find_run, kind_of, kinds

Status, Owner = Run.Status, Run.Owner
HINT = "Look for the reason in the log of that host, then run it again."


def reap(*, instance: str | None = None) -> list[Run]:
    """End every run that will not be carried out any more, sweep what its process left, and return them.

    These are the running ones whose process is gone, as `is_dead` tells, and those of `reap_queued`.
    """
    now = timezone.now()
    reaped = reap_queued(instance=instance)
    for kind in kinds():
        running = kind.rows().filter(status=Status.RUNNING)
        if instance is not None:
            running = running.filter(instance=instance)
        dead = [run for run in running if is_dead(run, now)]
        reaped += [run for run in dead if recover(run, f"The process that ran it ({run.worker}) died")]
    for run_id in workspace.leftovers():
        _sweep_leftover(run_id)
    for run_id in unrecorded.run_ids():
        _record_late(run_id)
    return reaped


def recover(run: Run, reason: str) -> bool:
    """End a running `run` whose process is gone as its kind does that; `reason` begins the message.

    False when another process was first, or is at it.
    """
    return kind_of(run).recover(run, f"{reason} in stage {run.stage}.")


def _record_late(run_id: str) -> None:
    """Record the end that was kept of a run which no process here has to end any more."""
    run = find_run(run_id)
    if run is not None and run.status == Status.RUNNING:
        return
    if run is not None:
        unrecorded.record(run)
    unrecorded.forget(run_id)


def _sweep_leftover(run_id: str) -> None:
    """Remove a workspace whose run has ended elsewhere, and what its process left outside of it."""
    run = find_run(run_id)
    # the lock of the workspace is what tells whether these are dead
    if run is not None and (run.status == Status.RUNNING or (run.status, run.owner) == (Status.QUEUED, Owner.PROCESS)):
        return
    if workspace.sweep(run_id) and run is not None and run.status == Status.INTERRUPTED:
        kind_of(run).sweep(run)
