"""What a person confirmed: it holds for what they were shown, and for a while."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from backups.errors import BackupError, InstanceBusy
from backups.models import RestoreExecution
from backups.runs.recovery.heartbeats import CLOCKS_DIFFER
from backups.runs.recovery.liveness import is_dead

State, Status = RestoreExecution.State, RestoreExecution.Status
AGAIN = "look at the preview again, and confirm anew"


def limit() -> timedelta:
    return timedelta(minutes=settings.BACKUP_RESTORE_CONFIRMATION_MINUTES)


def valid(now: datetime) -> Q:
    """Match restores whose confirmation still holds; one of the future was dated by a clock that was wrong."""
    return Q(created_at__gt=now - limit(), created_at__lte=now + CLOCKS_DIFFER)


def expired(now: datetime) -> Q:
    return ~valid(now)


def is_expired(restore: RestoreExecution, now: datetime) -> bool:
    return not now - limit() < restore.created_at <= now + CLOCKS_DIFFER


def end_message() -> str:
    minutes = settings.BACKUP_RESTORE_CONFIRMATION_MINUTES
    return f"its confirmation expired: it was not begun within {minutes} minutes; nothing was changed"


def changes_of(instance: str) -> str:
    """Return what restores have changed in `instance` so far, as a text that differs after the next one.

    It counts and does not look at times, which clocks that are set make worthless.
    """
    begun = ended = 0
    restores = RestoreExecution.objects.of_instance(instance).exclude(outcome={})
    for status, outcome in restores.values_list("status", "outcome"):
        if any(note["state"] != State.UNCHANGED for note in outcome.values()):
            begun += 1
            ended += status not in RestoreExecution.ACTIVE
    return f"{begun}-{ended}"


def require_unchanged(instance: str, seen: str) -> None:
    """Raise BackupError when a restore changed `instance` after `seen` was what `changes_of` said."""
    if seen and changes_of(instance) != seen:
        raise BackupError(
            f"another restore of {instance} was carried out since this one was shown and confirmed", hint=AGAIN
        )


def require_none_under_way(instance: str) -> None:
    """What was shown to the person would not be true any more when the other one has ended. Raises InstanceBusy."""
    now = timezone.now()
    for other in RestoreExecution.objects.of_instance(instance).active():
        if other.status == Status.QUEUED:
            raise InstanceBusy(
                f"a restore of {instance} is waiting already: {other.pk}",
                hint=f"{_who_runs(other)}; to take it back: manage.py restore --cancel {other.pk}",
            )
        if not is_dead(other, now):
            raise InstanceBusy(
                f"another restore of {instance} is running: {other.pk}",
                hint="wait for its end, then look at the preview again",
            )


def _who_runs(queued: RestoreExecution) -> str:
    if queued.owner == RestoreExecution.Owner.PROCESS:
        return f"the process that made it ({queued.worker}) is about to run it"
    return "a worker will run it"
