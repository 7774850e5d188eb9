"""The digest of a channel: at its time one message about everything that is open, and what happened since the last."""

from collections import Counter
from datetime import datetime, timedelta

from django.db import transaction

from backups.models import Delivery, Notice, NotificationChannel
from backups.models.notice import MOMENTARY, OPEN
from backups.notifications.hours import next_digest
from backups.notifications.items import BEGAN, ENDED, HAPPENED, REMAINS, Item, item
from backups.notifications.routing import Route, message_routes
from backups.service.monitoring.verdict import Level, verdicts
from destinations.lib.formats import counted, listed

PERIODS = {NotificationChannel.Digest.DAILY: timedelta(days=1), NotificationChannel.Digest.WEEKLY: timedelta(days=7)}
# of one digest; the newest
MOST = 2_000


def queue_due(now: datetime) -> int:
    """Queue the digests whose time has come; return their number."""
    due = [route for route in message_routes() if route.channel.digest and _is_due(route.channel, now)]
    if not due:
        return 0
    levels = Counter(verdict.level for verdict in verdicts())
    made = 0
    for route in due:
        channel, at = route.channel, route.channel.next_digest_at
        with transaction.atomic():
            # by one process, however many look at the same moment
            row = NotificationChannel.objects.filter(pk=channel.pk, next_digest_at=at)
            if not row.update(next_digest_at=next_digest(channel, now)):
                continue
            items = _items(route, now)
            lead = _lead(levels, len(items))
            Delivery.objects.create(
                channel=channel, kind=Delivery.Kind.DIGEST, items=items, lead=lead, created_at=now, next_try_at=now
            )
        made += 1
    return made


def _is_due(channel: NotificationChannel, now: datetime) -> bool:
    at, expected = channel.next_digest_at, next_digest(channel, now)
    if at is None or (expected is not None and at > expected):
        # of a row that no form has saved, or that was written while a clock was ahead
        NotificationChannel.objects.filter(pk=channel.pk).update(next_digest_at=expected)
        return False
    return at <= now


def _items(route: Route, now: datetime) -> list[Item]:
    channel = route.channel
    digests = Delivery.objects.filter(channel=channel, kind=Delivery.Kind.DIGEST, created_at__lte=now)
    # what happened once would be lost with one that was given up
    latest = digests.exclude(state=Delivery.State.GIVEN_UP).order_by("-created_at").first()
    lost = digests.order_by("created_at").first()
    before = (lost.created_at if lost else now) - PERIODS[NotificationChannel.Digest(channel.digest)]
    since = latest.created_at if latest else max(channel.created_at, before)
    open_ = Notice.objects.filter(OPEN, ~MOMENTARY)
    ended = Notice.objects.filter(~MOMENTARY, ended_at__gt=since)
    happened = Notice.objects.filter(MOMENTARY, opened_at__gt=since)
    found = [(BEGAN if notice.opened_at > since else REMAINS, notice) for notice in open_.order_by("opened_at")]
    found += [(ENDED, notice) for notice in ended.order_by("ended_at")[:MOST]]
    found += [(HAPPENED, notice) for notice in happened.order_by("opened_at")[:MOST]]
    return [item(what, notice, channel) for what, notice in found if route.takes(notice)]


def _lead(levels: Counter[Level], items: int) -> str:
    counts = [f"{levels[level]} {level.label.lower()}" for level in Level if levels[level]]
    instances = counted(sum(levels.values()), "instance")
    words = f"{instances}: {listed(counts)}." if counts else "No instance is described."
    return words if items else f"{words} Nothing is open, and nothing happened since the last digest."
