"""When a zone changes its clocks, and what runs around that, found by going through every minute."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
# the steps of the hour field, and each hour by name
HOURS = ("*", *(f"*/{step}" for step in range(2, 24)), *map(str, range(24)))


@dataclass(frozen=True)
class Minute:
    """A minute of real time, and what the wall clock shows then; `is_second` where it showed that before."""

    at: datetime
    wall: datetime
    is_second: bool


def clock_changes(zone: ZoneInfo, since: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the first minute after each change of the offset from UTC."""
    moment = since
    while moment < until:
        after = moment + DAY
        if moment.astimezone(zone).utcoffset() != after.astimezone(zone).utcoffset():
            low, high = moment, after
            while high - low > MINUTE:
                middle = low + (high - low) // MINUTE // 2 * MINUTE
                same = middle.astimezone(zone).utcoffset() == moment.astimezone(zone).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            yield high
        moment = after


def minutes_around(zone: ZoneInfo, change: datetime) -> list[Minute]:
    """Return every minute from two days before `change` to two days after it."""
    found = []
    for number in range(-2 * 24 * 60, 2 * 24 * 60):
        local = (change + number * MINUTE).astimezone(zone)
        found.append(Minute(local.astimezone(UTC), local.replace(tzinfo=None, fold=0), local.fold == 1))
    return found


def due(minutes: list[Minute], hour: str, minute: int) -> list[datetime]:
    """Return when `minute hour * * *` is due: for every hour in both of an hour that exists twice, else in the first.

    A time that does not exist is as far behind the change as it lies behind the last one that does.
    """
    hours: Iterable[int] = range(0, 24, int(hour[2:] or 1)) if hour.startswith("*") else [int(hour)]
    wanted = {(each, minute) for each in hours}
    found = {
        one.at
        for one in minutes
        if (one.wall.hour, one.wall.minute) in wanted and (hour.startswith("*") or not one.is_second)
    }
    for before, after in pairwise(minutes):
        for behind in range(1, (after.wall - before.wall) // MINUTE):
            missing = before.wall + behind * MINUTE
            if (missing.hour, missing.minute) in wanted:
                found.add(before.at + behind * MINUTE)
    return sorted(found)
