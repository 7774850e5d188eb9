"""When a schedule runs next: plain functions of an expression, a time zone and a moment.

Cron: five fields, evaluated on the wall clock of the zone. Where clocks are put back, an hour exists twice: an
expression that names hours runs once in it, one for every hour runs in both. Where clocks are put forward, what fell
into the hour that does not exist is moved on by an hour, so that every wall clock time has its run.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from croniter import CroniterBadCronError, CroniterError, croniter

from backups.errors import BackupError
from destinations.lib.operator_error import sentences

UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400, "weeks": 604_800}
INTERVAL = re.compile(r"(seconds|minutes|hours|days|weeks):(\d{1,6})")
SHORTEST = timedelta(minutes=1)
RESOLUTION = timedelta(seconds=1)
LONGEST = timedelta(days=366)
# A leap day on a given weekday comes back after 28 years, 40 across 2100.
HORIZON_YEARS = 41
# how many minutes, hours, days, months and weekdays a cron field counts
SIZES = (60, 24, 31, 12, 7)
# characters of a cron expression: one that names every value of its five fields is shorter
LONGEST_CRON = 500
STEP = re.compile(r"/(\d+)")
INTERVAL_EPOCH = datetime(2024, 1, 1, tzinfo=UTC)


class Cadence(Protocol):
    """When the runs of a schedule are due."""

    def next_after(self, moment: datetime) -> datetime:
        """Return the first run later than `moment`; both aware, the result in UTC."""
        ...


@dataclass(frozen=True, slots=True)
class Interval:
    """A fixed interval, in slots counted from a fixed epoch, so that restarts and edits do not shift them."""

    length: timedelta

    def next_after(self, moment: datetime) -> datetime:
        passed = (moment - INTERVAL_EPOCH) // self.length
        return INTERVAL_EPOCH + (passed + 1) * self.length


@dataclass(frozen=True, slots=True)
class Cron:
    """Five fields on the wall clock of `zone`."""

    expression: str
    zone: ZoneInfo

    def next_after(self, moment: datetime) -> datetime:
        local = moment.astimezone(self.zone).replace(tzinfo=None)
        matches = _matches(self.expression, local)
        wall = next(matches)
        shift = self._shift_around(moment, self._instants(wall)[0])
        if not shift:
            return self._instants(wall)[0]
        # Near a change of clocks a time that was passed on the wall clock can come again, and a later one earlier.
        found: datetime | None = None
        matches = _matches(self.expression, local - shift)
        while found is None or wall - shift <= found.astimezone(self.zone).replace(tzinfo=None):
            wall = next(matches)
            found = min((run for run in (found, *self._instants(wall)) if run and run > moment), default=None)
        return found

    def _instants(self, wall: datetime) -> list[datetime]:
        """Return the moments of a wall clock time: of one that exists twice both, where the expression has any hour.

        One that does not exist, because clocks are put forward, is moved on by what is left out.
        """
        # PEP 495: with fold=0 a time in the gap has the offset before it, and so lies after it by real time
        first, second = (wall.replace(tzinfo=self.zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        return [first, second] if second > first and self.expression.split()[1].startswith("*") else [first]

    def _shift_around(self, *moments: datetime) -> timedelta:
        """Return how far clocks are put forward or back within a day of one of `moments`."""
        near = [moment + timedelta(days=days) for moment in moments for days in (-1, 1)]
        offsets = [moment.astimezone(self.zone).utcoffset() or timedelta() for moment in near]
        return max(abs(after - before) for before, after in zip(offsets[::2], offsets[1::2], strict=True))


Custom = Callable[[datetime], datetime]


@dataclass(frozen=True, slots=True)
class Function:
    """A custom cadence of the site: a function of the last moment that returns the next run."""

    name: str
    function: Custom

    def next_after(self, moment: datetime) -> datetime:
        try:
            found = self.function(moment)
        except Exception as error:  # code of the site: one schedule must not keep the others from running
            hint = "Correct the function that BACKUP_CUSTOM_CADENCES names."
            message = sentences(f"The cadence {self.name} failed: {type(error).__name__}: {error}")
            raise BackupError(message, hint=hint) from error
        if not isinstance(found, datetime) or found.tzinfo is None or found <= moment:
            raise BackupError(f"The cadence {self.name} returned {found}, which is not an aware time after {moment}.")
        return found.astimezone(UTC)


def cadence(type_: str, expression: str, zone: str, *, custom: Mapping[str, Custom] | None = None) -> Cadence:
    """Return the cadence that `expression` describes. Raises BackupError for an invalid one."""
    time_zone(zone)
    if type_ == "interval":
        return Interval(parse_interval(expression))
    if type_ == "custom":
        known = custom or {}
        if expression not in known:
            hint = f"BACKUP_CUSTOM_CADENCES has: {', '.join(known) or 'none'}."
            raise BackupError(f"There is no custom cadence {expression!r}.", hint=hint)
        return Function(expression, known[expression])
    return parse_cron(expression, zone)


def parse_interval(expression: str) -> timedelta:
    match = INTERVAL.fullmatch(expression.strip())
    if match is None:
        raise BackupError(
            f"{expression!r} is not an interval.", hint="Write it like minutes:15, hours:24, days:1 or weeks:2."
        )
    seconds = int(match[2]) * UNITS[match[1]]
    length = timedelta(seconds=seconds)
    if not SHORTEST <= length <= LONGEST:
        raise BackupError(f"{expression} is not between one minute and a year.")
    return length


def parse_cron(expression: str, zone: str) -> Cron:
    """Raises BackupError for an expression that is not five plain fields, or that is never due (31 February)."""
    hint = "Write five fields (minute, hour, day, month, weekday) such as '0 2 * * *'."
    if len(expression) > LONGEST_CRON:
        raise BackupError(f"A cron expression has at most {LONGEST_CRON} characters.", hint=hint)
    fields = expression.split()
    if len(fields) != 5 or not re.fullmatch(r"[0-9A-Za-z*/,\- ]+", expression) or re.search(r"\b[RrHh]", expression):
        raise BackupError(f"{expression!r} is not a cron expression.", hint=hint)
    steps = [(int(step), size) for field, size in zip(fields, SIZES, strict=True) for step in STEP.findall(field)]
    if too_long := [step for step, size in steps if step > size]:
        raise BackupError(f"{expression!r} counts by {too_long[0]}, past the end of its field.", hint=hint)
    cron = Cron(" ".join(fields), time_zone(zone))
    try:
        first = cron.next_after(datetime.now(UTC))
        cron.next_after(first)
    except CroniterBadCronError as error:
        raise BackupError(f"{expression!r} is not a cron expression: {error}.", hint=hint) from error
    except (CroniterError, OverflowError) as error:
        raise BackupError(f"{expression!r} names a day that never comes.") from error
    return cron


def time_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise BackupError(
            f"There is no time zone {name!r}.", hint="Use a name such as Europe/Berlin or UTC."
        ) from error


def upcoming(of: Cadence, moment: datetime, count: int) -> list[datetime]:
    """Return the next `count` runs after `moment`, in UTC."""
    runs = []
    for _ in range(count):
        moment = of.next_after(moment)
        runs.append(moment)
    return runs


def latest_due(of: Cadence, since: datetime, now: datetime) -> datetime:
    """Return the last slot at or before `now`, starting from the slot `since`: of many missed ones only that is run."""
    # binary search: a year of missed minutes takes about thirty steps
    slot, latest = since, now
    while latest - since >= RESOLUTION:
        middle = since + (latest - since) / 2
        following = of.next_after(middle)
        if following <= now:
            slot = since = following
        else:
            latest = middle
    return slot


def _matches(expression: str, local: datetime) -> Iterator[datetime]:
    """Yield every wall clock time later than `local` that `expression` matches."""
    found = croniter(expression, local, max_years_between_matches=HORIZON_YEARS)
    while True:
        yield found.get_next(datetime)
