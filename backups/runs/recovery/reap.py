"""Cleaning up after processes that died: a killed one runs no `finally`."""

import logging
from pathlib import Path
from typing import Any

from django.db import Error as DatabaseProblem
from django.db.models import Q, QuerySet
from django.utils import timezone

from backups.errors import BackupError, WorkspaceBusy
from backups.interrupts import undisturbed
from backups.models import BackupExecution, DrillExecution, RestoreExecution, Run
from backups.runs import audit, finish, workspace
from backups.runs.finish import ALL_PROVEN
from backups.runs.queue.holder import on_this_host
from backups.runs.queue.queues import MODELS
from backups.runs.recovery import unrecorded
from backups.runs.recovery.liveness import is_dead
from backups.runs.recovery.reap_queued import end_lost
from backups.service.recover import recover
from backups.service.rollback import aftermath
from backups.service.settling import RESTART, recover_dead
from backups.service.uses import let_go
from destinations.exceptions import DestinationError

Status = Run.Status
HINT = "look for the reason in the log of that host, then run it again"
UNCHANGED = "nothing was changed"


def reap(*, instance: str | None = None) -> list[Run]:
    """End every run that will not be carried out any more, sweep what its process left, and return them.

    These are the running ones whose process is gone, as `is_dead` tells, and those of `end_lost`.
    """
    now = timezone.now()
    reaped = end_lost(instance=instance)
    for model in MODELS:
        running: QuerySet[Any] = model._default_manager.filter(status=Status.RUNNING)
        if model is BackupExecution:
            running = running.select_related("destination")  # its type says how long to wait
        if instance is not None:
            running = running.filter(instance=instance)
        dead = [run for run in running if is_dead(run, now)]
        reaped += [run for run in dead if bury(run, f"the process that ran it ({run.worker}) died")]
    for run_id in workspace.leftovers():
        _sweep_leftover(run_id)
    for run_id in unrecorded.run_ids():
        _record_late(run_id)
    return reaped


def bury(run: Run, reason: str) -> bool:
    """End a running `run` whose process is gone: complete what was uploaded whole, interrupt everything else.

    `reason` begins the message. False when somebody else was first, or is at it.
    """
    message = f"{reason} in stage {run.stage}"
    if isinstance(run, RestoreExecution):
        return _bury_restore(run, message)
    if on_this_host(run.worker):
        workspace.sweep(run.pk)
    if isinstance(run, DrillExecution):
        let_go(run.worker)
    if isinstance(run, BackupExecution):
        try:
            _sweep_destination(run)
            if recover(run):
                return True
        except DestinationError as error:
            message += f"; what it left at {run.destination.name} could not be looked at: {error.message}"
    return finish.interrupted(run, message, HINT)


def _bury_restore(restore: RestoreExecution, message: str) -> bool:
    """Roll back what a dead restore left half done, where its instance lies, and record what became of it.

    Its workspace is the lock: whoever holds it, the process that is not dead after all too, is the one to do it.
    """
    undo = f"run: manage.py restore --undo {restore.pk} --confirm"
    if not on_this_host(restore.worker):
        host = restore.worker.partition(":")[0]
        half = f"it may be half done: {aftermath(restore)}"
        told, hint = (half, f"on host {host} {undo}") if restore.touched else (UNCHANGED, HINT)
        return finish.interrupted(restore, f"{message}; {told}", hint)
    try:
        with workspace.workspace(restore.pk) as directory:
            restore.refresh_from_db()
            if restore.status != Status.RUNNING:
                return False
            if unrecorded.record(restore):
                ended = True
            else:
                told, hint = _recovered(restore, directory, message, undo)
                ended = _record(restore, finish.Ending(Status.INTERRUPTED, f"{message}; {told}", hint))
            unrecorded.forget(restore.pk)
            return ended
    except WorkspaceBusy:
        return False


def _record(restore: RestoreExecution, ending: finish.Ending) -> bool:
    """Its service runs again: what is back by now must not be brought back a second time by the next one."""
    try:
        return finish.recorded(restore, ending)
    except DatabaseProblem as problem:
        raise unrecorded.keep(restore, ending, problem) from problem


def _recovered(restore: RestoreExecution, directory: Path, message: str, undo: str) -> tuple[str, str]:
    """Return what to tell, and the next step."""
    try:
        with undisturbed():
            told = recover_dead(restore, directory, message)
    except BackupError as error:
        return f"{error.message}; {aftermath(restore)}", error.hint or undo
    return told, RESTART if told == ALL_PROVEN else HINT


def _record_late(run_id: str) -> None:
    """Look after what was kept of a restore that nobody here has to end any more."""
    restore = RestoreExecution.objects.filter(pk=run_id).first()
    if restore is not None and restore.status == Status.RUNNING:
        return
    if restore is not None:
        unrecorded.record(restore)
    unrecorded.forget(run_id)


def _sweep_leftover(run_id: str) -> None:
    """Remove a workspace whose run has ended elsewhere, and what its process left at the destination."""
    # its lock is what tells whether these are dead
    held = Q(status=Status.RUNNING) | Q(status=Status.QUEUED, owner=Run.Owner.PROCESS)
    if any(model._default_manager.filter(held, pk=run_id).exists() for model in MODELS):
        return
    execution = BackupExecution.objects.filter(pk=run_id, status=Status.INTERRUPTED).first()
    if workspace.sweep(run_id) and execution:
        try:
            _sweep_destination(execution)
        except DestinationError as error:
            audit.log("backup.sweep-failed", logging.WARNING, execution=execution.pk, error=error.message)


def _sweep_destination(execution: BackupExecution) -> None:
    """Remove the temporary objects that the dead process left at the destination."""
    with execution.destination.open() as destination:
        removed = list(destination.sweep(execution.pk))
    if removed:
        audit.log("backup.swept", execution=execution.pk, instance=execution.instance, removed=",".join(removed))
