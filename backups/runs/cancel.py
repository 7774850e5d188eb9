"""Stopping a run because somebody asked for it."""

from django.utils import timezone

from backups.errors import BackupError
from backups.models import Run
from backups.runs import audit

Status = Run.Status


def cancel(run: Run, *, by: audit.Actor) -> None:
    """Stop `run`: at once when it is queued, at its next checkpoint when it runs.

    A restore that has begun to change the instance is rolled back. Raises BackupError when `run` has ended already.
    """
    now, name = timezone.now(), audit.name_of(by)
    wish = {"cancel_requested_at": now, "cancel_requested_by": name}
    if run.moved(Status.QUEUED, status=Status.CANCELLED, completed_at=now, **wish):
        run.moved(Status.CANCELLED, error_message=f"cancelled by {name} before it started")
    elif not run.moved(Status.RUNNING, **wish):
        raise BackupError(f"execution {run.pk} has ended already")
    audit.log(f"{run.word}.cancel-requested", execution=run.pk, instance=run.instance, by=name)
    audit.note(by, run, f"Cancelled the {run.word} of {run.instance}.")
