"""The end of a run: the only module that sets a final status, and that calls the steps after the end."""

import logging
from dataclasses import dataclass
from typing import Any

from django.db import OperationalError, transaction
from django.utils import timezone

from backups.errors import BackupError, Cancelled, Interrupted
from backups.lib import audit
from backups.lib.lost_connections import drop_lost_connection
from backups.models import Run
from backups.runs.log_lines import current_log
from backups.runs.registry import kind_of, record_beside, steps_of
from backups.signals import execution_finished
from destinations.lib.database_errors import database_error
from destinations.lib.operator_error import OperatorError, sentences
from destinations.lib.os_signals import termination_message
from destinations.lib.process_errors import process_error

Status = Run.Status


@dataclass(frozen=True, slots=True)
class Ending:
    """The final status of a run, with the message and the hint for its row."""

    status: Status
    message: str = ""
    hint: str = ""


def complete(run: Run, **facts: Any) -> bool:
    """Record that a running `run` is completed; its results are in the row already, or in `facts`."""
    return record_end(run, Ending(Status.COMPLETED), **facts)


def fail(run: Run, error: BaseException, aftermath: str = "", **facts: Any) -> bool:
    """Record the end that `ending_of` derives from `error`, and `facts`."""
    return record_end(run, ending_of(error, aftermath), **facts)


def interrupt(run: Run, message: str, hint: str) -> bool:
    """Record that the process of `run` is gone."""
    return record_end(run, Ending(Status.INTERRUPTED, message, hint))


def fail_to_start(run: Run, message: str, hint: str) -> bool:
    """Record that a queued `run` was never claimed because its process failed."""
    return record_end(run, Ending(Status.INTERRUPTED, message, hint), before=Status.QUEUED)


def expire(run: Run, message: str, hint: str) -> bool:
    """Record that a queued `run` waited too long."""
    return record_end(run, Ending(Status.FAILED, message, hint), before=Status.QUEUED)


def cancel(run: Run, *, by: audit.Actor) -> None:
    """Cancel `run`: at once when it is queued, at its next checkpoint when it runs.

    A restore that has changed the instance is rolled back. Raises BackupError when `run` has ended already.
    """
    now, name = timezone.now(), audit.name_of(by)
    request = {"cancel_requested_at": now, "cancel_requested_by": name}
    ending = Ending(Status.CANCELLED, f"Cancelled by {name} before it started.")
    if not record_end(run, ending, before=Status.QUEUED, **request) and not run.transition(Status.RUNNING, **request):
        raise BackupError(f"The {run.noun} {run.pk} has ended already.")
    audit.log(f"{run.label}.cancel-requested", **run.log_key, instance=run.instance, by=name)
    audit.note(by, run, f"Cancelled the {run.label} of {run.instance}.")


def ending_of(error: BaseException, aftermath: str = "") -> Ending:
    """Return the end of a run that did not complete: cancelled, interrupted or failed, as `error` says."""
    status = Status.FAILED
    if isinstance(error, Cancelled):
        status = Status.CANCELLED
    elif isinstance(error, Interrupted) or not isinstance(error, Exception):
        status = Status.INTERRUPTED
    message = message_of(error)
    if aftermath:
        message = sentences(message, aftermath)
    known = _explained(error)
    return Ending(status, message, known.hint if isinstance(known, OperatorError) else "")


def message_of(error: BaseException) -> str:
    """Return the message for the operator; of an unexpected error only its type, because its text may hold secrets."""
    error = _explained(error)
    if isinstance(error, OperatorError):
        return error.message
    if isinstance(error, SystemExit | KeyboardInterrupt):
        return termination_message(error)
    return f"Unexpected error {type(error).__name__}, see the log."


def for_operator(error: Exception, event: str, **fields: object) -> OperatorError:
    """Return `error`; for an unexpected one, which is logged as `event` with its traceback, one with its type alone."""
    if isinstance(error, OperatorError):
        return error
    if isinstance(error, MemoryError | RuntimeError) and (known := process_error(error)) is not None:
        return known
    audit.crashed(event, error, **fields)
    return OperatorError(message_of(error))


def _explained(error: BaseException) -> BaseException:
    """Return the error that an operator reads for a database of the site that is full, locked or gone."""
    # errors of other types may quote values
    return database_error(error) if isinstance(error, OperationalError) else error


def record_end(run: Run, ending: Ending, *, before: Status = Status.RUNNING, **facts: Any) -> bool:
    """Record `ending` and `facts` in the row of `run`, then call the steps after the end and the signal's receivers.

    False, and nothing else happens, when the status is no longer `before`.
    """
    drop_lost_connection()
    now, kind = timezone.now(), kind_of(run)
    ending = _cancelled(run, ending)
    good = ending.status == Status.COMPLETED
    facts |= {"stage": "done", "progress_percent": 100} if good else kind.cleared
    facts = {"completed_at": now, "error_message": ending.message, "error_hint": ending.hint} | facts
    timeline = [*run.timeline, [ending.status.value, now.isoformat()]]
    facts = {**(run.unwritten or {}), **facts, "status": ending.status, "timeline": timeline}
    with transaction.atomic():
        if not run.transition(before, **facts):
            return False
        if not good:
            kind.discard(run)
        record_beside(steps_of(run).with_end, run)
    run.unwritten = None
    # cancelling a waiting run is not an error
    expected = good or (before, ending.status) == (Status.QUEUED, Status.CANCELLED)
    audit.log(
        f"{run.label}.{ending.status.value}",
        logging.INFO if expected else logging.ERROR,
        **run.log_key,
        instance=run.instance,
        stage=run.stage,
        **run.log_fields(),
        error=run.error_message,
    )
    if (log := current_log(run.pk)) is not None:
        # the steps may take long, and whoever sees the end looks for the reason
        log.try_to_write()
    # the end is recorded already: a failing step neither fails the run nor prevents the next step
    for step in steps_of(run).after_end:
        try:
            # PostgreSQL refuses what follows a failed statement of an outer transaction
            with transaction.atomic():
                step(run)
        except Exception as error:
            audit.crashed("run.after-end-failed", error, **run.log_key, step=step.__name__)
    execution_finished.send_robust(sender=type(run), run=run, execution=run)
    return True


def _cancelled(run: Run, ending: Ending) -> Ending:
    """Return a cancelled end for a run that was cancelled, did not stop, and whose process was then terminated."""
    if ending.status != Status.INTERRUPTED:
        return ending
    rows = type(run).objects.filter(pk=run.pk, cancel_requested_at__isnull=False)
    by = rows.values_list("cancel_requested_by", flat=True).first()
    if by is None:
        return ending
    why = f"Cancelled by {by}."
    if kind_of(run).rolls_back:
        # whoever ended it, the row has to say what became of the instance, and how to undo it
        return Ending(Status.CANCELLED, sentences(why, ending.message), ending.hint)
    return Ending(Status.CANCELLED, why)
