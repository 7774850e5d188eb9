"""The template of every run: workspace, reap, claim, work under a monitor, complete or settle."""

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.db import Error as DatabaseProblem

from backups.errors import BackupError, InstanceBusy, NotQueued, Unrecorded
from backups.lib import audit
from backups.lib.os_signals import undisturbed
from backups.models import Run
from backups.models.run import new_id
from backups.runs import finish
from backups.runs.claim import claim
from backups.runs.progress import Monitor
from backups.runs.recovery import unrecorded
from backups.runs.recovery.reap import reap
from backups.runs.registry import AnyRun, RunKind, kind_of
from backups.runs.workspace import workspace
from destinations.lib.operator_error import OperatorError

Work = Callable[[AnyRun, Monitor, Path], Any]


def execute(kind: RunKind[AnyRun], run_id: str) -> AnyRun:
    """Run the queued run of that id to its end, and record that end whatever it is.

    Raises InstanceBusy and leaves it queued when its instance is in use, NotQueued when it is not queued, waited too
    long or is for the process that made it; after any other failure the row says why, and the error is raised again.
    """
    run = kind.rows().get(pk=run_id)
    with workspace(run.pk) as directory:
        carry_out(run, directory)
    kind.follow_up(run)
    return run


def run_here(
    kind: RunKind[AnyRun],
    make: Callable[[str], AnyRun],
    *,
    by: audit.Actor,
    run_id: str = "",
    hint: str = "",
    work: Work[AnyRun] | None = None,
    within: Monitor | None = None,
) -> tuple[AnyRun, Any]:
    """Make a run by `make(id)`, which gives it to this process, and carry it out; return it and what its work made.

    The workspace is locked before the row is there: at no moment is there a row whose process lives and holds no lock.
    A run that cannot begin ends at once, as cancelled when its instance is busy, or with `hint`. What is raised is
    raised again.
    """
    run_id = run_id or new_id()
    with workspace(run_id) as directory:
        try:
            run = make(run_id)
            made = carry_out(run, directory, work=work, within=within)
        except InstanceBusy:
            if (row := kind.rows().filter(pk=run_id).first()) is not None:
                with suppress(BackupError):  # another process ended it first
                    finish.cancel(row, by=by)
            raise
        except BaseException as error:
            with undisturbed():
                _end_unclaimed(kind, run_id, error, hint or kind.again)
            raise
    kind.follow_up(run)
    return run, made


def carry_out(run: AnyRun, directory: Path, *, work: Work[AnyRun] | None = None, within: Monitor | None = None) -> Any:
    """Claim `run` and take it to its end in its workspace; return what its work made. Raises as `execute`.

    `work` replaces that of its kind, and `within` is the monitor of the run that it is a part of.
    """
    kind = kind_of(run)
    try:
        try:
            # a dead run holds its instance until it is reaped
            reap(instance=run.instance)
            claim(run)
            with Monitor(run, within) as monitor:
                made = (work or kind.work)(run, monitor, directory)
            kind.complete(run, made)
        except (InstanceBusy, NotQueued, Unrecorded):
            raise
        except BaseException as error:
            _settle(run, directory, error)
            raise
    except (InstanceBusy, NotQueued, Unrecorded):
        raise
    except BaseException as error:
        # the one signal that counts may come where nothing holds it back: between an error and its handling
        _settle(run, directory, error)
        raise
    finally:
        if run.status != Run.Status.RUNNING:
            unrecorded.forget(run.pk)
    return made


def _settle(run: Run, directory: Path, error: BaseException) -> None:
    """Let the kind settle `run`, once. The next signal must not stop that half way."""
    with undisturbed():
        if run.settled:
            return
        run.settled = True
        if not isinstance(error, OperatorError):
            audit.crashed(f"{run.word}.crashed", error, execution=run.pk)
        kind_of(run).settle(run, directory, error)


def _end_unclaimed(kind: RunKind[Any], run_id: str, error: BaseException, hint: str) -> None:
    """End the row when it is still queued. Where the database cannot be written the next tick does it."""
    try:
        row = kind.rows().filter(pk=run_id, status=Run.Status.QUEUED).first()
        if row is not None:
            finish.unstarted(row, f"{finish.message_of(error)}; nothing was changed", hint)
    except DatabaseProblem as problem:
        audit.log(f"{kind.noun}.end-not-recorded", logging.ERROR, execution=run_id, error=problem)
