"""Moments on pages: one style, in the time zone that the page names once."""

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from destinations.lib.formats import NOTHING, rough_duration

JUST_NOW = timedelta(seconds=5)


def age(moment: datetime | None, *, now: datetime | None = None) -> str:
    """Return how long ago `moment` was, in its largest unit."""
    if moment is None:
        return NOTHING
    period = (now or timezone.now()) - moment
    return "just now" if period < JUST_NOW else f"{rough_duration(period)} ago"


def exact(moment: datetime | None) -> str:
    """Return `moment` to the second with the name of its time zone, for texts that leave the page."""
    return NOTHING if moment is None else f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S %Z}"


def minute(moment: datetime | None) -> str:
    """Return `moment` to the minute, such as ``2026-11-25 13:07``; in the hour that exists twice with its zone."""
    if moment is None:
        return NOTHING
    local = timezone.localtime(moment)
    twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    return f"{local:%Y-%m-%d %H:%M %Z}" if twice else f"{local:%Y-%m-%d %H:%M}"


def stamp(moment: datetime | None) -> SafeString:
    """Return `moment` to the minute as an element, which shows its second and its zone under the pointer."""
    if moment is None:
        return format_html("{}", NOTHING)
    text = '<time class="bs-moment" datetime="{}" title="{}">{}</time>'
    return format_html(text, moment.isoformat(), exact(moment), minute(moment))


def stamp_ago(moment: datetime | None) -> SafeString:
    """Return `moment` as `stamp` does, and how long ago it was."""
    if moment is None:
        return stamp(None)
    return format_html('{} <span class="bs-quiet bs-moment">({})</span>', stamp(moment), age(moment))
