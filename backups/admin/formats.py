"""Sizes, durations and moments as people read them."""

from datetime import datetime, timedelta

from django.utils import timezone

from destinations.operator_error import sentences
from destinations.sizes import human_size

NOTHING = "-"
JUST_NOW = timedelta(seconds=5)
size = human_size


def duration(period: timedelta | None) -> str:
    """Return the two largest units of `period`; tenths below ten seconds, milliseconds below one."""
    if period is None:
        return NOTHING
    seconds = max(period.total_seconds(), 0.0)
    if seconds < 0.95:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next(index for index, (count, _) in enumerate(units) if count)
    return " ".join(f"{count} {unit}" for count, unit in units[first : first + 2] if count)


def seconds(number: float | None) -> str:
    return duration(None if number is None else timedelta(seconds=number))


def age(moment: datetime | None, *, now: datetime | None = None) -> str:
    """Return how long ago `moment` was, in its largest unit."""
    if moment is None:
        return NOTHING
    period = (now or timezone.now()) - moment
    if period < JUST_NOW:
        return "just now"
    seconds = int(period.total_seconds())
    for length, unit in ((86_400, "day"), (3600, "h"), (60, "min"), (1, "s")):
        # hours up to two days: "26 h ago" says more than "1 day ago"
        if seconds >= length * (2 if unit == "day" else 1):
            break
    return f"{seconds // length} {unit}{'s' if unit == 'day' else ''} ago"


def until(moment: datetime | None, *, now: datetime | None = None) -> str:
    """Return how long it is until `moment`, in its two largest units."""
    if moment is None:
        return NOTHING
    wait = moment - (now or timezone.now())
    return f"in {duration(wait)}" if wait > timedelta() else "due now"


def exact(moment: datetime | None) -> str:
    """Return `moment` to the second, in the time zone of the site, which it names."""
    return NOTHING if moment is None else f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S %Z}"


def count(number: int | None) -> str:
    return NOTHING if number is None else f"{number:,}"


def signed(number: int | None) -> str:
    """Return a difference with its sign."""
    return NOTHING if number is None else f"{number:+,}" if number else "0"


def moment(text: str) -> datetime:
    """Return the moment that a row keeps as ISO 8601."""
    return datetime.fromisoformat(text)


def clock(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%H:%M:%S}"


def sentence(value: object) -> str:
    """Return `value` with a full stop, so that a hint can follow. No capital: the first word may be a name."""
    return sentences(str(value))
