"""The confirmation of a restore: valid for the preview that was shown, and for a limited time."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from backups.errors import BackupError, InstanceBusy
from backups.models import RestoreExecution
from backups.runs.recovery.heartbeats import CLOCK_SKEW
from backups.runs.recovery.liveness import is_dead

State, Status = RestoreExecution.State, RestoreExecution.Status
AGAIN = "Open the preview again, and confirm anew."


def limit() -> timedelta:
    return timedelta(minutes=settings.BACKUP_RESTORE_CONFIRMATION_MINUTES)


def valid(now: datetime) -> Q:
    """Match restores whose confirmation is still valid."""
    # one of the future was dated by a clock that was wrong
    return Q(created_at__gt=now - limit(), created_at__lte=now + CLOCK_SKEW)


def expired(now: datetime) -> Q:
    return ~valid(now)


def is_expired(restore: RestoreExecution, now: datetime) -> bool:
    return not now - limit() < restore.created_at <= now + CLOCK_SKEW


def expiry_message() -> str:
    minutes = settings.BACKUP_RESTORE_CONFIRMATION_MINUTES
    return f"Its confirmation expired: it was not begun within {minutes} minutes. Nothing was changed."


def changes_of(instance: str) -> str:
    """Return a text that identifies the restores that changed `instance` so far: it differs after the next one."""
    # counted, because a clock that is set makes times worthless
    begun = ended = 0
    restores = RestoreExecution.objects.of_instance(instance).exclude(outcome={})
    for status, outcome in restores.values_list("status", "outcome"):
        if any(note["state"] != State.UNCHANGED for note in outcome.values()):
            begun += 1
            ended += status not in RestoreExecution.ACTIVE
    return f"{begun}-{ended}"


def require_unchanged(instance: str, seen: str) -> None:
    """Raise BackupError when a restore changed `instance` after `changes_of` returned `seen`."""
    if seen and changes_of(instance) != seen:
        raise BackupError(
            f"Another restore of {instance} was carried out since this one was shown and confirmed.", hint=AGAIN
        )


def require_none_under_way(instance: str) -> None:
    """Raise InstanceBusy while another restore of `instance` waits or runs: after it, the preview would be outdated."""
    now = timezone.now()
    for other in RestoreExecution.objects.of_instance(instance).active():
        if other.status == Status.QUEUED:
            own = other.owner == RestoreExecution.Owner.PROCESS
            runs = f"The process that made it ({other.worker}) is about to run it." if own else "A worker will run it."
            raise InstanceBusy(
                f"A restore of {instance} is waiting already: {other.pk}.",
                hint=f"{runs} Cancel it if it is not wanted any more.",
            ).needing(f"--cancel {other.pk}")
        if not is_dead(other, now):
            raise InstanceBusy(
                f"Another restore of {instance} is running: {other.pk}.",
                hint="Wait for its end, then open the preview again.",
            )
