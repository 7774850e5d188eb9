"""Carrying out a run in the process that makes it: no worker ever takes it, and it ends with its process."""

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from django.db import Error as DatabaseProblem

from backups.errors import BackupError, InstanceBusy
from backups.interrupts import undisturbed
from backups.models import Run
from backups.models.run import new_id
from backups.runs import audit, finish
from backups.runs.cancel import cancel
from backups.runs.workspace import workspace

AnyRun = TypeVar("AnyRun", bound=Run)
Done = TypeVar("Done")


def run_here(
    model: type[AnyRun],
    make: Callable[[str], AnyRun],
    carry_out: Callable[[AnyRun, Path], Done],
    *,
    by: audit.Actor,
    run_id: str = "",
    hint: str = "run it again",
) -> tuple[AnyRun, Done]:
    """Make a run by `make(id)`, which gives it to this process, carry it out in its workspace, and return both results.

    The workspace is locked before the row is there: at no moment is there a row whose process lives and holds no lock.
    A run that cannot begin ends at once, as cancelled when its instance is busy. What is raised is raised again.
    """
    run_id = run_id or new_id()
    with workspace(run_id) as directory:
        try:
            run = make(run_id)
            return run, carry_out(run, directory)
        except InstanceBusy:
            if (row := model._default_manager.filter(pk=run_id).first()) is not None:
                with suppress(BackupError):  # somebody else ended it first
                    cancel(row, by=by)
            raise
        except BaseException as error:
            with undisturbed():
                _end_unbegun(model, run_id, error, hint)
            raise


def _end_unbegun(model: type[Run], run_id: str, error: BaseException, hint: str) -> None:
    """End the row when it is still queued. Where the database cannot be written the next tick does it."""
    try:
        row = model._default_manager.filter(pk=run_id, status=Run.Status.QUEUED).first()
        if row is not None:
            finish.unstarted(row, f"{finish.message_of(error)}; nothing was changed", hint)
    except DatabaseProblem as problem:
        audit.log(f"{model.noun}.end-not-recorded", logging.ERROR, execution=run_id, error=problem)
