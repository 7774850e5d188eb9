"""The last days of one instance in layers: its backups, drills, the copies that are left, and their locks."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, time

from django.db.models import Count, Q
from django.utils import timezone

from backups.models import BackupCopy, DrillExecution
from backups.service.monitoring.trends.days import Day, days_of

LAST = 60
Verdict = DrillExecution.Verdict


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """`passed` and `failed` count the drills of that day, `copies` the sound copies that are left of its backups.

    `locked` counts those of the copies that their store does not delete now.
    """

    day: Day
    passed: int
    failed: int
    copies: int
    locked: int


def calendar_of(name: str, now: datetime, last: int = LAST) -> list[CalendarDay]:
    """Return the `last` days of the instance, the oldest first; a day is one of the current time zone."""
    days = days_of([name], now, last)[name]
    begin = timezone.make_aware(datetime.combine(days[0].date, time()))
    drills: Counter[tuple[object, str]] = Counter()
    decided = DrillExecution.objects.of_instance(name).filter(kind=DrillExecution.Kind.DRILL, created_at__gte=begin)
    for at, verdict in decided.exclude(verdict="").order_by().values_list("created_at", "verdict"):
        drills[timezone.localdate(at), verdict] += 1
    copies, locks = Counter[object](), Counter[object]()
    # whole hours are whole days in no time zone, so the days are counted here
    held = BackupCopy.objects.sound().filter(execution__instance=name, execution__created_at__gte=begin).order_by()
    by_backup = held.values_list("execution__created_at").annotate(
        all=Count("pk"), locked=Count("pk", filter=Q(locked_until__gt=now))
    )
    for at, number, locked in by_backup:
        copies[timezone.localdate(at)] += number
        locks[timezone.localdate(at)] += locked
    return [
        CalendarDay(
            day,
            drills[day.date, Verdict.PASSED],
            drills[day.date, Verdict.FAILED],
            copies[day.date],
            locks[day.date],
        )
        for day in days
    ]


@dataclass(frozen=True, slots=True)
class Recovery:
    """How long a drill that passed took to restore its backup."""

    drill: str
    at: datetime
    seconds: float


def recoveries_of(name: str, last: int = LAST) -> list[Recovery]:
    """Return the last drills that passed, the oldest first, in one query."""
    passed = DrillExecution.objects.of_instance(name).filter(
        kind=DrillExecution.Kind.DRILL, verdict=Verdict.PASSED, seconds__isnull=False
    )
    found = passed.newest_first().values_list("pk", "created_at", "seconds")[:last]
    return [Recovery(pk, at, seconds) for pk, at, seconds in reversed(found) if seconds is not None]
