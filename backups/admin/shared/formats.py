"""Moments and sentences as the pages show them."""

from datetime import datetime, timedelta

from django.utils import timezone

from destinations.admin.moments import age, exact, minute, stamp, stamp_ago
from destinations.lib.formats import NOTHING, human_duration
from destinations.lib.operator_error import sentences

__all__ = ["age", "clock", "day", "exact", "minute", "moment", "sentence", "stamp", "stamp_ago", "until"]


def until(moment: datetime | None, *, now: datetime | None = None) -> str:
    """Return how long it is until `moment`, in its two largest units."""
    if moment is None:
        return NOTHING
    wait = moment - (now or timezone.now())
    return f"in {human_duration(wait)}" if wait > timedelta() else "due now"


def moment(text: str) -> datetime:
    """Return the moment that a JSON column holds as ISO 8601."""
    return datetime.fromisoformat(text)


def day(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d}"


def clock(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%H:%M:%S}"


def sentence(value: object) -> str:
    """Return `value` with a full stop, so that a hint can follow."""
    return sentences(str(value))
