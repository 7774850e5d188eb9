"""The cadence of a schedule row, and its next runs."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from backups.models import BackupSchedule, ScheduleDestination
from backups.service.schedules.cadence import Cadence, Custom, cadence, upcoming
from destinations.models import BackupDestination

# delays of the retries of a failed run
RETRY_AFTER = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))
# the columns that decide when it runs
PLANNED_BY = frozenset({"type", "expression", "time_zone", "enabled"})


def cadence_of(schedule: BackupSchedule) -> Cadence | None:
    """Return the cadence of `schedule`; None for a manual one. Raises BackupError when the expression is invalid."""
    return cadence_for(schedule.type, schedule.expression, schedule.time_zone)


def cadence_for(type_: str, expression: str, zone: str) -> Cadence | None:
    """Return the cadence of a schedule of that type. Raises BackupError when the expression is invalid."""
    if type_ == BackupSchedule.Type.MANUAL:
        return None
    return cadence(type_, expression, zone, custom=custom_cadences())


def custom_cadences() -> dict[str, Custom]:
    """Return the functions that BACKUP_CUSTOM_CADENCES allows, by their names there; each is imported when called."""
    return {name: partial(_call, path) for name, path in settings.BACKUP_CUSTOM_CADENCES.items()}


def _call(path: str, moment: datetime) -> datetime:
    # not at the start: an error in its module fails the schedules that use it, and no others
    found: datetime = import_string(path)(moment)
    return found


def next_runs(schedule: BackupSchedule, count: int, *, now: datetime | None = None) -> list[datetime]:
    found = cadence_of(schedule)
    return [] if found is None else upcoming(found, now or timezone.now(), count)


def count_from_now(schedule: BackupSchedule, before: Mapping[str, object]) -> None:
    """Count the slots of `schedule` from now on; `before` has the values of PLANNED_BY from before they changed."""
    now, planned, last = timezone.now(), schedule.next_run, schedule.last_run
    # neither a slot that is due nor a failure is forgotten with the cadence
    kept = planned is not None and planned > now and not schedule.consecutive_failures
    ran = schedule.cadence_changed or (last is not None and last >= schedule.active_since)
    automatic = before["type"] != BackupSchedule.Type.MANUAL
    schedule.cadence_changed = bool(before["enabled"] and schedule.enabled and automatic and kept and ran)
    schedule.active_since = now


def plan(schedule: BackupSchedule) -> None:
    """Set the next run of `schedule` from now on, and save it. Raises BackupError when there is none.

    One that covers several instances has no run of its own: its parts have theirs.
    """
    runs = next_runs(schedule, 1)
    schedule.next_run = runs[0] if runs and schedule.enabled and not schedule.covers_several else None
    schedule.retry_at = None
    schedule.save()


def set_further(schedule: BackupSchedule, destinations: Iterable[BackupDestination]) -> bool:
    """Let the saved `schedule` back up to `destinations`, in their order, beside its first one; True when that is new.

    The first one among them is left out. Its parts back up there too.
    """
    wanted = [one.pk for one in destinations if one.pk != schedule.destination_id]
    with transaction.atomic():
        BackupSchedule.objects.select_for_update().filter(pk=schedule.pk).first()
        if wanted == list(schedule.further.values_list("destination", flat=True)):
            return False
        rows = [schedule, *schedule.parts.all()]
        ScheduleDestination.objects.filter(schedule__in=rows).delete()
        ScheduleDestination.objects.bulk_create(
            ScheduleDestination(schedule=row, destination_id=pk, position=number)
            for row in rows
            for number, pk in enumerate(dict.fromkeys(wanted), start=1)
        )
    return True
