"""How a run ends: the one place that sets each final status, and that calls what follows it."""

import logging
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from backups.errors import BackupError, Cancelled, Interrupted
from backups.lib import audit
from backups.models import Run
from backups.runs.registry import kind_of
from backups.signals import execution_finished
from destinations.lib.operator_error import OperatorError
from destinations.lib.os_signals import told_to_end

Status = Run.Status


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ends, and what its row then says."""

    status: Status
    message: str = ""
    hint: str = ""


def completed(run: Run, **facts: Any) -> bool:
    """Mark a running `run` as completed; what it made must be in the row already, or be in `facts`."""
    return recorded(run, Ending(Status.COMPLETED), **facts)


def failed(run: Run, error: BaseException, aftermath: str = "", **facts: Any) -> bool:
    """Record why `run` did not complete, as `ending_of` tells; and `facts`."""
    return recorded(run, ending_of(error, aftermath), **facts)


def interrupted(run: Run, message: str, hint: str) -> bool:
    """Record that the process of `run` is gone."""
    return recorded(run, Ending(Status.INTERRUPTED, message, hint))


def unstarted(run: Run, message: str, hint: str) -> bool:
    """Record that a queued `run` could not even be claimed: its process came to nothing."""
    return recorded(run, Ending(Status.INTERRUPTED, message, hint), before=Status.QUEUED)


def expired(run: Run, message: str, hint: str) -> bool:
    """Record that a queued `run` waited longer than it may."""
    return recorded(run, Ending(Status.FAILED, message, hint), before=Status.QUEUED)


def cancel(run: Run, *, by: audit.Actor) -> None:
    """Stop `run`: at once when it is queued, at its next checkpoint when it runs.

    A restore that has begun to change the instance is rolled back. Raises BackupError when `run` has ended already.
    """
    now, name = timezone.now(), audit.name_of(by)
    request = {"cancel_requested_at": now, "cancel_requested_by": name}
    ending = Ending(Status.CANCELLED, f"cancelled by {name} before it started")
    if not recorded(run, ending, before=Status.QUEUED, **request) and not run.moved(Status.RUNNING, **request):
        raise BackupError(f"execution {run.pk} has ended already")
    audit.log(f"{run.word}.cancel-requested", execution=run.pk, instance=run.instance, by=name)
    audit.note(by, run, f"Cancelled the {run.word} of {run.instance}.")


def ending_of(error: BaseException, aftermath: str = "") -> Ending:
    """Return the end of a run that did not complete: cancelled, interrupted or failed, as `error` says."""
    status = Status.FAILED
    if isinstance(error, Cancelled):
        status = Status.CANCELLED
    elif isinstance(error, Interrupted) or not isinstance(error, Exception):
        status = Status.INTERRUPTED
    message = "; ".join(text for text in (message_of(error), aftermath) if text)
    return Ending(status, message, error.hint if isinstance(error, OperatorError) else "")


def message_of(error: BaseException) -> str:
    """Return the sentence for the operator; for an unexpected error, its type (its text may hold anything)."""
    if isinstance(error, OperatorError):
        return error.message
    if isinstance(error, SystemExit | KeyboardInterrupt):
        return told_to_end(error)
    return f"unexpected error {type(error).__name__}, see the log"


def recorded(run: Run, ending: Ending, *, before: Status = Status.RUNNING, **facts: Any) -> bool:
    """Record `ending` and `facts` in the row of `run`; False when it has not the status `before` any more."""
    now, kind = timezone.now(), kind_of(run)
    ending = _cancelled(run, ending)
    good = ending.status == Status.COMPLETED
    facts |= {"stage": "done", "progress_percent": 100} if good else kind.cleared
    facts = {"completed_at": now, "error_message": ending.message, "error_hint": ending.hint} | facts
    timeline = [*run.timeline, [ending.status.value, now.isoformat()]]
    facts = {**(run.unwritten or {}), **facts, "status": ending.status, "timeline": timeline}
    with transaction.atomic():
        if not run.moved(before, **facts):
            return False
        if not good:
            kind.discard(run)
    run.unwritten = None
    # a person who takes back what waits is no error
    expected = good or (before, ending.status) == (Status.QUEUED, Status.CANCELLED)
    audit.log(
        f"{run.word}.{ending.status.value}",
        logging.INFO if expected else logging.ERROR,
        execution=run.pk,
        instance=run.instance,
        stage=run.stage,
        **run.log_fields(),
        error=run.error_message,
    )
    _after_end(run)
    return True


def _cancelled(run: Run, ending: Ending) -> Ending:
    """A run that did not stop when it was cancelled, so that its process was ended, is cancelled all the same."""
    if ending.status != Status.INTERRUPTED:
        return ending
    rows = type(run).objects.filter(pk=run.pk, cancel_requested_at__isnull=False)
    by = rows.values_list("cancel_requested_by", flat=True).first()
    if by is None:
        return ending
    why = f"cancelled by {by}"
    if kind_of(run).rolls_back:
        # whoever ended it, the row has to say what became of the instance, and how to undo it
        return Ending(Status.CANCELLED, f"{why}; {ending.message}", ending.hint)
    return Ending(Status.CANCELLED, why)


def _after_end(run: Run) -> None:
    """Call what the site does after each end, then the receivers of other code.

    The end is recorded: a step that fails must not look like a failure of the run, and keeps no other from its turn.
    """
    for step in kind_of(run).after_end:
        try:
            step(run)
        except Exception as error:
            audit.crashed("run.after-end-failed", error, execution=run.pk, step=step.__name__)
    execution_finished.send_robust(sender=type(run), execution=run)
