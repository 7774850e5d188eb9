"""Moments and sentences as the pages show them."""

from datetime import datetime, timedelta

from django.utils import timezone

from destinations.lib.formats import NOTHING, human_duration, rough_duration
from destinations.lib.operator_error import sentences

JUST_NOW = timedelta(seconds=5)


def age(moment: datetime | None, *, now: datetime | None = None) -> str:
    """Return how long ago `moment` was, in its largest unit."""
    if moment is None:
        return NOTHING
    period = (now or timezone.now()) - moment
    return "just now" if period < JUST_NOW else f"{rough_duration(period)} ago"


def until(moment: datetime | None, *, now: datetime | None = None) -> str:
    """Return how long it is until `moment`, in its two largest units."""
    if moment is None:
        return NOTHING
    wait = moment - (now or timezone.now())
    return f"in {human_duration(wait)}" if wait > timedelta() else "due now"


def exact(moment: datetime | None) -> str:
    """Return `moment` to the second, in the time zone of the site, which it names."""
    return NOTHING if moment is None else f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S %Z}"


def moment(text: str) -> datetime:
    """Return the moment that a JSON column holds as ISO 8601."""
    return datetime.fromisoformat(text)


def clock(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%H:%M:%S}"


def sentence(value: object) -> str:
    """Return `value` with a full stop, so that a hint can follow."""
    return sentences(str(value))
