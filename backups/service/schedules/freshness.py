"""Freshness: how old the newest good backup of an instance may be by its schedules, and its next run."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise

from django.utils import timezone

from backups.errors import BackupError
from backups.models import BackupSchedule
from backups.service.schedules.cadence import upcoming
from backups.service.schedules.planning import cadence_for
from destinations.models import BackupDestination

Type = BackupSchedule.Type
LOOK_AHEAD = 10
# for the duration of a run and its three retries
GRACE = timedelta(hours=1)


@dataclass(slots=True)
class Freshness:
    """What the enabled schedules of one instance demand together.

    `max_age` is the highest age of the newest good backup, None when no schedule runs by itself; `since` is when the
    oldest of those that do was created; `failures` is the highest number of consecutive failures.
    """

    max_age: timedelta | None = None
    since: datetime | None = None
    next_run: datetime | None = None
    failures: int = 0


def max_ages(instances: Iterable[str], destination: BackupDestination | None = None) -> dict[str, timedelta]:
    """Return how old the newest good backup (at `destination`, where given) of each of `instances` may be, by name.

    Those without an enabled schedule are left out. One query.
    """
    found = freshness_by_instance(instances, destination)
    return {name: outlook.max_age for name, outlook in found.items() if outlook.max_age is not None}


def freshness_by_instance(
    instances: Iterable[str], destination: BackupDestination | None = None
) -> dict[str, Freshness]:
    """Return the outlook of each of `instances` that has an enabled schedule, in one query.

    A schedule allows the longest gap between its next ten runs, and an hour; the strictest schedule counts.
    """
    schedules = BackupSchedule.objects.enabled().filter(instance__in=list(instances))
    if destination is not None:
        schedules = schedules.filter(destination=destination)
    now = timezone.now()
    found: dict[str, Freshness] = {}
    for schedule in schedules:
        outlook = found.setdefault(schedule.instance, Freshness())
        outlook.failures = max(outlook.failures, schedule.consecutive_failures)
        outlook.next_run = min(filter(None, [outlook.next_run, schedule.next_run, schedule.retry_at]), default=None)
        # not from the cache for a custom cadence, whose function may be corrected meanwhile
        longest_gap = _longest_gap if schedule.type == Type.CUSTOM else _cached_longest_gap
        # the same argument all day, for the cache
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        age = longest_gap(schedule.type, schedule.expression, schedule.time_zone, today)
        if age is not None:
            outlook.max_age = min(age, outlook.max_age or age)
            outlook.since = min(schedule.created_at, outlook.since or schedule.created_at)
    return found


def _longest_gap(type_: str, expression: str, zone: str, moment: datetime) -> timedelta | None:
    try:
        cadence = cadence_for(type_, expression, zone)
        runs = upcoming(cadence, moment, LOOK_AHEAD) if cadence else []
    except BackupError:
        # An invalid expression gets the shortest age: the backups are soon overdue, and then nothing is pruned.
        return GRACE
    if len(runs) < 2:
        return None
    return max(later - earlier for earlier, later in pairwise(runs)) + GRACE


# ten runs of a cron expression take milliseconds, and the front page needs those of every schedule
_cached_longest_gap = lru_cache(maxsize=4096)(_longest_gap)
