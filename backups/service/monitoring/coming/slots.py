"""The slots of cadences in a day: many schedules share a cadence, and it is asked once."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from backups.errors import BackupError
from backups.models import BackupSchedule
from backups.service.schedules.planning import cadence_for

HORIZON = timedelta(hours=24)
# of one cadence: every five minutes; a cron expression takes up to 0.3 ms for each
MOST = 288
Spec = tuple[str, str, str]


def spec_of(schedule: BackupSchedule) -> Spec:
    return schedule.type, schedule.expression, schedule.time_zone


def slots_between(spec: Spec, since: datetime, until: datetime) -> list[datetime]:
    """Return the first `MOST` slots after `since` and not after `until`, at most `HORIZON` later.

    None where the cadence has errors.
    """
    # the same for all schedules of a cadence, and for whoever asks within the hour
    hour = (until - HORIZON).replace(minute=0, second=0, microsecond=0)
    # not from the cache for a custom cadence, whose function may be corrected meanwhile
    found = _slots if spec[0] == BackupSchedule.Type.CUSTOM else _cached_slots
    return [slot for slot in found(spec, hour) if since < slot <= until][:MOST]


def _slots(spec: Spec, hour: datetime) -> Sequence[datetime]:
    slots: list[datetime] = []
    end = hour + HORIZON + timedelta(hours=1)
    try:
        cadence = cadence_for(*spec)
        moment = hour - timedelta(seconds=1)
        # up to an hour of them is over
        while cadence is not None and len(slots) < MOST + 60:
            moment = cadence.next_after(moment)
            if moment > end:
                break
            slots.append(moment)
    except BackupError:
        # the tick records it on the schedule, which is then among those without a next run
        return slots
    return slots


_cached_slots = lru_cache(maxsize=1024)(_slots)
