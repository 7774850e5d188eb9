"""The quiet hours of a channel and the moments of its digest, by the clock of its time zone."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from backups.models import NotificationChannel

Digest = NotificationChannel.Digest


def quiet_until(channel: NotificationChannel, now: datetime) -> datetime | None:
    """Return the end of the quiet hours that `now` is in; None outside of them."""
    begin, end = channel.quiet_from, channel.quiet_until
    if begin is None or end is None or begin == end:
        return None
    local = now.astimezone(ZoneInfo(channel.time_zone))
    clock = local.time()
    quiet = begin <= clock < end if begin < end else clock >= begin or clock < end
    if not quiet:
        return None
    day = local.date() + timedelta(days=1) if clock >= end else local.date()
    return datetime.combine(day, end, tzinfo=local.tzinfo)


def next_digest(channel: NotificationChannel, after: datetime) -> datetime | None:
    """Return the moment of the next digest after `after`; None for a channel without one."""
    if not channel.digest:
        return None
    local = after.astimezone(ZoneInfo(channel.time_zone))
    for days in range(9):
        day = local.date() + timedelta(days=days)
        at = datetime.combine(day, channel.digest_at, tzinfo=local.tzinfo)
        if at > after and (channel.digest == Digest.DAILY or day.weekday() == channel.digest_weekday):
            return at
    return None
