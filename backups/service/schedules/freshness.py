"""Freshness: from when on an instance is overdue by its schedules, how old its backups may be, and its next run."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise

from django.db.models import Q
from django.utils import timezone

from backups.errors import BackupError
from backups.models import BackupSchedule, ScheduleDestination
from backups.models.querysets import MANY
from backups.service.schedules.cadence import LONGEST, Cadence, latest_due, upcoming
from backups.service.schedules.planning import cadence_for
from destinations.models import BackupDestination

Type = BackupSchedule.Type
# what freshness, verdicts and pages read of a schedule
COLUMNS = (
    *("name", "instance", "type", "expression", "time_zone", "enabled", "next_run", "last_run", "last_error"),
    *("consecutive_failures", "retry_at", "active_since", "cadence_changed", "left_at"),
)
LOOK_AHEAD = 10
# for the duration of a run and its three retries
GRACE = timedelta(hours=1)
# how old the newest good backup may be where no schedule runs by itself
FRESH = timedelta(hours=24)


@dataclass(slots=True)
class Freshness:
    """What the schedules of one instance demand together.

    `strictest` is the enabled schedule that demands the next good backup first, and `overdue_from` the moment from
    which the instance is overdue without it; both None when no schedule runs by itself. `automatic` counts the
    schedules that run by themselves, `paused` those that would; `left` are those of several instances that covered it
    and do not any more. `failures` is the highest number of consecutive
    failures, `failing` are the enabled schedules whose last run failed or could not be started.
    """

    strictest: BackupSchedule | None = None
    overdue_from: datetime | None = None
    next_run: datetime | None = None
    failures: int = 0
    failing: list[BackupSchedule] = field(default_factory=list)
    automatic: int = 0
    paused: int = 0
    left: list[BackupSchedule] = field(default_factory=list)


def freshness_by_instance(
    newest: Mapping[str, datetime | None], destination: BackupDestination | None = None
) -> dict[str, Freshness]:
    """Return by instance what its schedules (at `destination`, where given) demand, in one query.

    `newest` has for each instance the time of its newest good backup (there), None where there is none. Those without
    any schedule are left out.
    """
    found: dict[str, Freshness] = {}
    schedules = BackupSchedule.objects.of_one_instance().order_by("name").only(*COLUMNS)
    if destination is not None:
        schedules = schedules.filter(at_destination(destination))
    for schedule in schedules if len(newest) > MANY else schedules.filter(instance__in=list(newest)):
        if schedule.instance not in newest:
            continue
        outlook = found.setdefault(schedule.instance, Freshness())
        if schedule.left_at is not None:
            outlook.left += [schedule] if schedule.type != Type.MANUAL else []
            continue
        if not schedule.enabled:
            outlook.paused += schedule.type != Type.MANUAL
            continue
        if schedule.consecutive_failures:
            outlook.failing.append(schedule)
        outlook.failures = max(outlook.failures, schedule.consecutive_failures)
        outlook.next_run = min(filter(None, [outlook.next_run, schedule.next_run, schedule.retry_at]), default=None)
        if schedule.type == Type.MANUAL:
            continue
        outlook.automatic += 1
        moment = _overdue_from(schedule, newest[schedule.instance])
        if outlook.overdue_from is None or moment < outlook.overdue_from:
            outlook.strictest, outlook.overdue_from = schedule, moment
    return found


def _overdue_from(schedule: BackupSchedule, taken: datetime | None) -> datetime:
    """Return when `schedule` makes its instance overdue: the first slot after `taken`, and the grace.

    Slots from before it was active with its present cadence do not count.
    """
    # not from the cache for a custom cadence, whose function may be corrected meanwhile
    slot_after = _slot_after if schedule.type == Type.CUSTOM else _cached_slot_after
    cadence, active_since = (schedule.type, schedule.expression, schedule.time_zone), schedule.active_since
    try:
        slot = slot_after(*cadence, taken or active_since)
        if taken is None or slot >= active_since:
            return slot + GRACE
        if schedule.cadence_changed:
            # it ran by itself then, and no slot was missed
            return slot_after(*cadence, active_since) + GRACE
        # it did not run by itself then: until its first slot it is judged as without a schedule
        return min(taken + FRESH, slot_after(*cadence, active_since) + GRACE)
    except BackupError:
        # the backups of a schedule whose cadence has errors are soon overdue
        return (taken or active_since) + GRACE


def at_the_latest(outlook: Freshness) -> datetime | None:
    """Return when an instance whose run still waits or runs is overdue at the latest: by the slot after the due one."""
    strictest, since = outlook.strictest, outlook.overdue_from
    if strictest is None or since is None:
        return None
    try:
        cadence = (strictest.type, strictest.expression, strictest.time_zone)
        return _slot_after(*cadence, since - GRACE) + GRACE
    except BackupError:
        return None


def max_ages(instances: Iterable[str], destination: BackupDestination | None = None) -> dict[str, timedelta]:
    """Return how far apart the good backups (at `destination`, where given) of each of `instances` may be, by name.

    A schedule allows the longest gap between its next ten runs, or the time since its last slot that was due where
    that is longer, as at a weekend; and an hour. The strictest schedule counts. Instances without an enabled schedule
    are left out. One query. When an instance is overdue says `freshness_by_instance`: most gaps are shorter.
    """
    schedules = BackupSchedule.objects.enabled().of_one_instance().filter(instance__in=list(instances))
    schedules = schedules.exclude(type=Type.MANUAL)
    if destination is not None:
        schedules = schedules.filter(at_destination(destination))
    now, ages = timezone.now(), dict[str, timedelta]()
    for schedule in schedules:
        try:
            age = _allowed_age(cadence_for(schedule.type, schedule.expression, schedule.time_zone), now)
        except BackupError:
            # the shortest age: the backups are soon overdue, and then nothing is pruned
            age = GRACE
        if age is not None:
            ages[schedule.instance] = min(age, ages.get(schedule.instance, age))
    return ages


def at_destination(destination: BackupDestination) -> Q:
    """Match the schedules that back up to `destination`, as their first one or a further one."""
    further = ScheduleDestination.objects.filter(destination=destination).values("schedule")
    return Q(destination=destination) | Q(pk__in=further)


def _allowed_age(cadence: Cadence | None, now: datetime) -> timedelta | None:
    if cadence is None:
        return None
    # counted from midnight: the same result all day
    runs = upcoming(cadence, now.replace(hour=0, minute=0, second=0, microsecond=0), LOOK_AHEAD)
    gap, due = max(later - earlier for earlier, later in pairwise(runs)), now - GRACE
    if cadence.next_after(due - gap) <= due:
        return gap + GRACE
    # no slot lies in the last `gap`, as at night for a cadence of office hours: look for the last one before it
    back = gap
    while cadence.next_after(due - back) > due:
        back *= 2
        # a custom cadence may have begun only now
        if back > LONGEST:
            return gap + GRACE
    return due - latest_due(cadence, cadence.next_after(due - back), due) + GRACE


def _slot_after(type_: str, expression: str, zone: str, moment: datetime) -> datetime:
    cadence = cadence_for(type_, expression, zone)
    if cadence is None:
        raise BackupError("A manual schedule has no slots.")
    return cadence.next_after(moment)


# A slot of a cron expression takes milliseconds, and the front page needs one of every schedule: the same until the
# next backup.
_cached_slot_after = lru_cache(maxsize=8192)(_slot_after)
