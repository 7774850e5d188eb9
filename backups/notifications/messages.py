"""Notices become messages: one a channel and tick at most, by the quiet hours and the digest of each channel."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from backups.errors import NotQueued
from backups.models import Delivery, Notice, NotificationChannel
from backups.models.notice import MOMENTARY, OPEN
from backups.notifications.hours import quiet_until
from backups.notifications.items import BEGAN, ENDED, HAPPENED, REMAINS, WORSE, Item, item
from backups.notifications.routing import Route, message_routes
from backups.runs.recovery.heartbeats import CLOCK_SKEW

# what follows a message of a channel sooner is gathered: many causes that begin within minutes are no storm
GATHERED = timedelta(minutes=5)
# those whose day is nearly over are reminded of together
TOGETHER = timedelta(hours=3)
RECENT = timedelta(days=2)
# of one look; the rest follows in the next tick
MOST_NOTICES = 5_000
Entry = tuple[str, Notice]


def announce(now: datetime) -> int:
    """Queue messages about what began, happened or ended since the last call, and reminders; return their number."""
    causes = Notice.objects.filter(~MOMENTARY)
    began = list(Notice.objects.filter(announced_at=None).order_by("opened_at", "pk")[:MOST_NOTICES])
    ended = list(causes.filter(~OPEN, end_announced_at=None).order_by("ended_at", "pk")[:MOST_NOTICES])
    remaining = _due_reminders(now)
    if not (began or ended or remaining):
        return 0
    # before the marks change the rows
    entries = [(_word(notice), notice) for notice in began]
    entries += [(ENDED, notice) for notice in ended]
    entries += [(REMAINS, notice) for notice in remaining]
    try:
        with transaction.atomic():
            _take(began, Q(announced_at=None), announced_at=now, reminded_at=now)
            _take(ended, Q(end_announced_at=None), end_announced_at=now)
            _take(remaining, _is_due(now), reminded_at=now)
            return sum(queue(route, entries, now) for route in message_routes())
    except NotQueued:
        return 0


def _word(notice: Notice) -> str:
    if notice.momentary:
        return HAPPENED
    # one that was announced before: its level rose
    return WORSE if notice.reminded_at else BEGAN


def _due_reminders(now: datetime) -> list[Notice]:
    """Return the open notices whose reminder is due, and where there is one also those due soon."""
    # one that has just begun, or got worse, is announced by itself
    waiting = Notice.objects.filter(OPEN, ~MOMENTARY, acknowledged_at=None, announced_at__isnull=False)
    if not settings.BACKUP_REMIND_HOURS or not waiting.filter(_is_due(now, soon=False)).exists():
        return []
    return list(waiting.filter(_is_due(now)).order_by("opened_at", "pk")[:MOST_NOTICES])


def _is_due(now: datetime, *, soon: bool = True) -> Q:
    """Match notices whose reminder is due, with `soon` also those whose is due soon."""
    period = timedelta(hours=settings.BACKUP_REMIND_HOURS)
    early = min(TOGETHER, period / 8) if soon else timedelta()
    # one in the future was sent while a clock was ahead
    return Q(reminded_at__lte=now - period + early) | Q(reminded_at__gt=now + CLOCK_SKEW)


def _take(rows: Sequence[Notice], unchanged: Q, **marks: datetime) -> None:
    """Mark `rows`, so that no other process announces them. Raises NotQueued where one did."""
    if not rows:
        return
    if Notice.objects.filter(unchanged, pk__in=[row.pk for row in rows]).update(**marks) != len(rows):
        raise NotQueued("Another process announces the same notices.")


def introduce(channel: NotificationChannel, now: datetime) -> None:
    """Queue what is open for a channel that is new, or enabled again."""
    entries = [(REMAINS, notice) for notice in Notice.objects.filter(OPEN, ~MOMENTARY).order_by("opened_at", "pk")]
    with transaction.atomic():
        for route in message_routes():
            if route.channel == channel:
                queue(route, entries, now)


def queue(route: Route, entries: Sequence[Entry], now: datetime) -> int:
    """Queue what `route` takes of `entries`; return the number of messages that were made or added to."""
    channel = route.channel
    quiet = quiet_until(channel, now)
    at_once: list[Item] = []
    later: list[Item] = []
    any_urgent = False
    for what, notice in entries:
        if not route.takes(notice):
            continue
        urgent = channel.urgent_at_once and notice.level == Notice.Level.ALARM and what != REMAINS
        # the digest reads the notices themselves
        if channel.digest and not urgent:
            continue
        any_urgent = any_urgent or urgent
        (later if quiet and not urgent else at_once).append(item(what, notice, channel))
    held = _put(channel, later, now, quiet, urgent=False) if quiet else 0
    return held + _put(channel, at_once, now, now, urgent=any_urgent)


def _put(channel: NotificationChannel, items: list[Item], now: datetime, at: datetime, *, urgent: bool) -> int:
    """Add `items` to a message that waits for the moment `at`, or queue one, later where another was just sent."""
    if not items:
        return 0
    messages = Delivery.objects.filter(channel=channel, kind=Delivery.Kind.MESSAGE)
    # among the newest, which an index finds
    recent = messages.filter(created_at__gt=now - RECENT)
    # not one that was sent while a clock was ahead
    latest = recent.filter(sent_at__gt=now - GATHERED, sent_at__lte=now + GATHERED).order_by("-sent_at").first()
    if latest is not None and latest.sent_at is not None:
        at = max(at, latest.sent_at + GATHERED)
    # locked: whoever sends it takes it by an update, and reads the items after that
    untried = messages.filter(state=Delivery.State.WAITING, attempts=0, claimed_until=None)
    waiting = untried.select_for_update().filter(next_try_at__lte=at).order_by("next_try_at").last()
    if waiting is None:
        Delivery.objects.create(channel=channel, items=items, urgent=urgent, created_at=now, next_try_at=at)
    else:
        waiting.items, waiting.urgent = [*waiting.items, *items], waiting.urgent or urgent
        waiting.save(update_fields=["items", "urgent"])
    return 1
