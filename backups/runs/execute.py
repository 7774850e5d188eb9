"""The template of every run: workspace, reap, claim, work with a monitor, then complete or settle."""

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.db import Error as DatabaseProblem

from backups.errors import BackupError, InstanceBusy, NotQueued, Unrecorded
from backups.lib import audit
from backups.lib.os_signals import defer_signals
from backups.models import Run
from backups.models.run import new_id
from backups.runs import finish
from backups.runs.claim import claim
from backups.runs.log_lines import kept_log
from backups.runs.progress import Monitor
from backups.runs.recovery import unrecorded
from backups.runs.recovery.reap import reap
from backups.runs.registry import AnyRun, RunKind, kind_of
from backups.runs.workspace import workspace
from destinations.lib.operator_error import OperatorError, sentences

Work = Callable[[AnyRun, Monitor, Path], Any]


def execute(kind: RunKind[AnyRun], run_id: str) -> AnyRun:
    """Run the queued run `run_id` to its end, and record the end, whatever it is.

    Raises InstanceBusy, with the run still queued, when its instance is in use, and NotQueued when it cannot be
    claimed. After any other failure the row has the reason, and the error is raised again.
    """
    run = kind.rows().get(pk=run_id)
    with kept_log(kind.model, run.pk):
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
    """Create a run of this process by `make(id)` and carry it out; return it and the result of its work.

    A run that cannot be claimed ends at once: as cancelled when its instance is busy, else as interrupted with `hint`.
    The error is raised again.
    """
    run_id = run_id or new_id()
    # the lock comes before the row: a row whose process lives always has its lock, so the reaper is never wrong
    with kept_log(kind.model, run_id), workspace(run_id) as directory:
        try:
            run = make(run_id)
            made = carry_out(run, directory, work=work, within=within)
        except InstanceBusy:
            if (row := kind.rows().filter(pk=run_id).first()) is not None:
                with suppress(BackupError):  # raised when another process ended it first
                    finish.cancel(row, by=by)
            raise
        except BaseException as error:
            with defer_signals():
                try:
                    unclaimed = kind.rows().filter(pk=run_id, status=Run.Status.QUEUED).first()
                    if unclaimed is not None:
                        message = sentences(finish.message_of(error), "Nothing was changed.")
                        finish.fail_to_start(unclaimed, message, hint or kind.retry_hint)
                except DatabaseProblem as problem:
                    # the next tick ends the row
                    audit.log(f"{kind.noun}.end-not-recorded", logging.ERROR, **{kind.noun: run_id}, error=problem)
            raise
    with kept_log(kind.model, run_id):
        kind.follow_up(run)
    return run, made


def carry_out(run: AnyRun, directory: Path, *, work: Work[AnyRun] | None = None, within: Monitor | None = None) -> Any:
    """Claim `run`, do its work in its workspace and record the end; return the result of the work. Raises as `execute`.

    `work` replaces the work of its kind; `within` is the monitor of the run that this one is a step of.
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
        # SIGTERM may arrive between an error above and its handler, where it is not blocked
        _settle(run, directory, error)
        raise
    finally:
        if run.status != Run.Status.RUNNING:
            unrecorded.remove_end(run.pk)
    return made


def _settle(run: Run, directory: Path, error: BaseException) -> None:
    """Call the kind's `settle`, once for each run."""
    # a second signal must not interrupt a rollback
    with defer_signals():
        if run.settled:
            return
        run.settled = True
        if not isinstance(error, OperatorError):
            audit.crashed(f"{run.label}.crashed", error, **run.log_key)
        kind_of(run).settle(run, directory, error)
