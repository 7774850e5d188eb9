"""Cadences of a deployer's own, as BACKUP_CUSTOM_CADENCES names them."""

from datetime import UTC, datetime, timedelta

NOT_A_FUNCTION = 7


def first_workday(moment: datetime) -> datetime:
    """Return 03:00 UTC of the first weekday of the next month that is later than `moment`."""
    day = moment.astimezone(UTC).replace(hour=3, minute=0, second=0, microsecond=0)
    while True:
        day += timedelta(days=1)
        weekday, first = day.weekday(), day.day
        if (first == 1 and weekday < 5) or (first in (2, 3) and weekday == 0):
            return day


def stands_still(moment: datetime) -> datetime:
    return moment


def fails(moment: datetime) -> datetime:
    return {}[moment]
