"""Deduplication of queued runs: a request that a waiting run will fulfil creates no second run."""

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from backups.errors import BackupError
from backups.lib import audit
from backups.models import Run
from backups.models.run import LONGEST_COMMENT
from destinations.lib.operator_error import sentences

# the waiting run may be claimed between the failed insert and the query for it
ATTEMPTS = 5


class AlreadyWaiting(BackupError):  # noqa: N818 - named for what happened, as those of backups.errors
    """Nothing was queued, because the waiting `run` will do the same."""

    def __init__(self, message: str, *, run: Run, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.run = run


def create_once(run: Run, same: dict[str, Any], *, what: str, by: audit.Actor) -> None:
    """Insert the queued `run`; raises AlreadyWaiting when a run with the fields `same` waits for a worker.

    The comment of `run` is then added to that of the waiting run. Without `same` no waiting run is searched for. Raises
    IntegrityError when another constraint fails.
    """
    # insert first, then query: of two requests at once the unique constraint lets one through
    for attempts_left in reversed(range(ATTEMPTS)):
        try:
            with transaction.atomic():
                run.save(force_insert=True)
            return
        except IntegrityError:
            if not same or not attempts_left:
                raise
        waiting = type(run).objects.for_workers().filter(**same).first()
        if waiting is not None and (note := _add_comment(waiting, run.comment)) is not None:
            audit.log(
                f"{waiting.label}.already-waiting", **waiting.log_key, instance=waiting.instance, by=run.triggered_by
            )
            audit.note(by, waiting, sentences("Requested again.", note))
            message = f"A {what} is waiting already: {waiting.pk}, requested by {waiting.triggered_by}."
            raise AlreadyWaiting(message, run=waiting, hint=note)


def _add_comment(waiting: Run, comment: str) -> str | None:
    """Add `comment` to that of `waiting` and return a note on that; None when the row changed meanwhile."""
    if not comment or comment in waiting.comment.split("; "):
        return ""
    both = f"{waiting.comment}; {comment}".removeprefix("; ")
    if len(both) > LONGEST_COMMENT:
        return f"The comment was not stored, because the existing comment leaves no room: {comment}."
    if not waiting.transition(Run.Status.QUEUED, Q(comment=waiting.comment), comment=both):
        return None
    return f"The comment was added to the existing one: {comment}."
