"""Enqueuing once: where a run that would do the same waits already, no second one is made."""

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from backups.errors import BackupError
from backups.lib import audit
from backups.models import Run
from backups.models.run import LONGEST_COMMENT

# a worker may take the one that waited right when we look for it
ATTEMPTS = 5


class AlreadyWaiting(BackupError):  # noqa: N818 - named for what happened, as those of backups.errors
    """Nothing was queued, because `run` waits for a worker and will do the same."""

    def __init__(self, message: str, *, run: Run, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.run = run


def create_once(run: Run, same: dict[str, Any], *, what: str, by: audit.Actor) -> None:
    """Insert the queued `run`; raises AlreadyWaiting when one with the same fields `same` waits for a worker.

    The constraint of the database decides, so that of two that come at once one is first. The comment of the second
    is added to that of the first. Without `same` nothing is looked for. Raises IntegrityError for other constraints.
    """
    for attempts_left in reversed(range(ATTEMPTS)):
        try:
            with transaction.atomic():
                run.save(force_insert=True)
            return
        except IntegrityError:
            if not same or not attempts_left:
                raise
        waiting = type(run).objects.for_workers().filter(**same).first()
        if waiting is not None and (said := _said(waiting, run.comment)) is not None:
            audit.log(
                f"{waiting.word}.already-waiting", execution=waiting.pk, instance=waiting.instance, by=run.triggered_by
            )
            audit.note(by, waiting, f"Asked for it again; {said}." if said else "Asked for it again.")
            message = f"a {what} is waiting already: {waiting.pk}, asked for by {waiting.triggered_by}"
            raise AlreadyWaiting(message, run=waiting, hint=said)


def _said(waiting: Run, comment: str) -> str | None:
    """Add `comment` to that of `waiting` and return what to say of it; None when the row changed meanwhile."""
    if not comment or comment in waiting.comment.split("; "):
        return ""
    both = f"{waiting.comment}; {comment}".removeprefix("; ")
    if len(both) > LONGEST_COMMENT:
        return f"the comment was not kept, because the one that it has leaves no room: {comment}"
    if not waiting.moved(Run.Status.QUEUED, Q(comment=waiting.comment), comment=both):
        return None
    return f"the comment was added to the one that it has: {comment}"
