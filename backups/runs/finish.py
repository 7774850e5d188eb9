"""How an execution ends: the one place that sets each final status."""

import logging
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from backups.errors import Cancelled, Interrupted
from backups.models import BackupExecution, RestoreExecution, Run
from backups.runs import audit
from backups.service.tree_lists import forget_lists
from backups.signals import execution_finished
from destinations.os_signals import told_to_end

Status = Run.Status
ALL_PROVEN = "all components had been restored and proven; restart the service"


def completed(execution: Run, **facts: Any) -> bool:
    """Mark a running execution as completed; what it made must be in the row already, or be in `facts`."""
    return _end(execution, Status.COMPLETED, stage="done", progress_percent=100, **facts)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ends, and what its row then says."""

    status: Status
    message: str = ""
    hint: str = ""


def ending_of(error: BaseException, aftermath: str = "") -> Ending:
    """Return the end of a run that did not complete: cancelled, interrupted or failed, as `error` says."""
    status = Status.FAILED
    if isinstance(error, Cancelled):
        status = Status.CANCELLED
    elif isinstance(error, Interrupted) or not isinstance(error, Exception):
        status = Status.INTERRUPTED
    message = "; ".join(text for text in (message_of(error), aftermath) if text)
    return Ending(status, message, getattr(error, "hint", ""))


def failed(execution: Run, error: BaseException, aftermath: str = "", **facts: Any) -> bool:
    """Record why `execution` did not complete, as `ending_of` tells; and `facts`."""
    return recorded(execution, ending_of(error, aftermath), **facts)


def recorded(execution: Run, ending: Ending, *, before: Status = Status.RUNNING, **facts: Any) -> bool:
    """Record that end, and `facts`, in a row that has the status `before`."""
    facts |= {"error_message": ending.message, "error_hint": ending.hint}
    if ending.status == Status.COMPLETED:
        facts |= {"stage": "done", "progress_percent": 100}
    return _end(execution, ending.status, before=before, **facts)


def interrupted(execution: Run, message: str, hint: str) -> bool:
    """Record that the process of `execution` is gone."""
    return _end(execution, Status.INTERRUPTED, error_message=message, error_hint=hint)


def unstarted(execution: Run, message: str, hint: str) -> bool:
    """Record that a queued `execution` could not even be claimed: its process came to nothing."""
    return _end(execution, Status.INTERRUPTED, before=Status.QUEUED, error_message=message, error_hint=hint)


def expired(execution: Run, message: str, hint: str) -> bool:
    """Record that a queued `execution` waited longer than it may."""
    return _end(execution, Status.FAILED, before=Status.QUEUED, error_message=message, error_hint=hint)


def message_of(error: BaseException) -> str:
    """Return the sentence for the operator; for an error nobody foresaw, its type (its text may hold anything)."""
    message = getattr(error, "message", None)
    if isinstance(message, str):
        return message
    if isinstance(error, SystemExit | KeyboardInterrupt):
        return told_to_end(error)
    return f"unexpected error {type(error).__name__}, see the log"


def _cancelled_by(execution: Run) -> str | None:
    rows = type(execution)._default_manager.filter(pk=execution.pk, cancel_requested_at__isnull=False)
    return rows.values_list("cancel_requested_by", flat=True).first()


def _end(execution: Run, status: Status, *, before: Status = Status.RUNNING, **changes: object) -> bool:
    now = timezone.now()
    if status == Status.INTERRUPTED and (by := _cancelled_by(execution)) is not None:
        # it did not listen, so its process was ended
        status = Status.CANCELLED
        why = f"cancelled by {by}"
        if isinstance(execution, RestoreExecution):
            # whoever ended it, the row has to say what became of the instance, and how to undo it
            changes["error_message"] = f"{why}; {changes['error_message']}"
        else:
            changes |= {"error_message": why, "error_hint": ""}
    if status != Status.COMPLETED and isinstance(execution, BackupExecution):
        changes |= {"backup_filename": "", "backup_path": ""}
    timeline = [*execution.timeline, [status.value, now.isoformat()]]
    changes = {**(execution.unwritten or {}), "completed_at": now, **changes, "status": status, "timeline": timeline}
    with transaction.atomic():
        if not execution.moved(before, **changes):
            return False
        if status != Status.COMPLETED and isinstance(execution, BackupExecution):
            forget_lists(execution)
    execution.unwritten = None
    if isinstance(execution, BackupExecution):
        execution.destination.record_backup(status.value, now, stored=status == Status.COMPLETED)
    audit.log(
        f"{execution.word}.{status.value}",
        logging.INFO if status == Status.COMPLETED else logging.ERROR,
        execution=execution.pk,
        instance=execution.instance,
        stage=execution.stage,
        **execution.log_fields(),
        error=execution.error_message,
    )
    execution_finished.send_robust(sender=type(execution), execution=execution)
    return True
