"""Queue test alarms: once a month by the tick, or when a person wants one."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from backups.lib import audit
from backups.models import Delivery, Notice, NotificationChannel
from backups.models.run import new_id
from backups.notifications.conditions import EVENT_OF
from backups.notifications.events import EVENTS
from backups.notifications.hours import quiet_until
from backups.notifications.items import HAPPENED, Item
from backups.notifications.routing import Route, message_routes
from backups.notifications.test_alarm.links import link_of
from backups.runs.recovery.heartbeats import CLOCK_SKEW

ALARM = Notice.Level.ALARM
# what an unprotected instance may be told as
ALARMS = frozenset(f"{code}:{ALARM}" for code in EVENT_OF.values() if ALARM in EVENTS[code].levels)


def alarm_channels() -> list[NotificationChannel]:
    """Return the enabled channels that would be told of an unprotected instance, by name."""
    found = [route.channel for route in message_routes() if _takes_alarms(route)]
    return sorted(found, key=lambda channel: channel.name)


def queue_due(now: datetime) -> int:
    """Queue a test alarm for each channel that had none for BACKUP_TEST_ALARM_DAYS; return their number."""
    days, routes = settings.BACKUP_TEST_ALARM_DAYS, message_routes()
    # one that is told of other things by now gets no further test alarm, and so could never be proven
    over = [route.channel.pk for route in routes if route.channel.unproven_since and not _takes_alarms(route)]
    if over:
        NotificationChannel.objects.filter(pk__in=over).update(unproven_since=None)
    channels = [route.channel for route in routes if _takes_alarms(route)]
    return len(queue_test_alarms([c for c in channels if _is_due(c, now, days)], now)) if days else 0


def queue_test_alarms(channels: Collection[NotificationChannel], now: datetime) -> list[Delivery]:
    """Queue a test alarm for each of `channels`, and return those that no other process queued meanwhile."""
    return [delivery for channel in channels if (delivery := _queue(channel, now)) is not None]


def _takes_alarms(route: Route) -> bool:
    channel = route.channel
    is_for_some = channel.scope == NotificationChannel.Scope.SITE or route.instances or route.schedules
    return bool(is_for_some) and not set(channel.muted) >= ALARMS


def _is_due(channel: NotificationChannel, now: datetime, days: int) -> bool:
    # one in the future was sent while a clock was ahead
    known = [at for at in (channel.alarm_tested_at, channel.proven_at) if at is not None and at <= now + CLOCK_SKEW]
    return now - max([channel.created_at, *known]) >= timedelta(days=days)


def _queue(channel: NotificationChannel, now: datetime) -> Delivery | None:
    since = channel.unproven_since
    rows = NotificationChannel.objects.filter(pk=channel.pk, alarm_tested_at=channel.alarm_tested_at)
    # as an alarm waits for the quiet hours, or does not
    at = now if channel.urgent_at_once else quiet_until(channel, now) or now
    delivery = Delivery(
        id=new_id(), channel=channel, kind=Delivery.Kind.TEST_ALARM, urgent=True, created_at=now, next_try_at=at
    )  # fmt: skip
    delivery.items = [_item(delivery, now)]
    with transaction.atomic():
        # the first one that nobody has confirmed counts
        if not rows.update(alarm_tested_at=now, unproven_since=since if since is not None and since < now else now):
            return None
        delivery.save(force_insert=True)
    audit.log("channel.alarm-tested", channel=channel.name, delivery=delivery.pk)
    return delivery


def _item(delivery: Delivery, now: datetime) -> Item:
    name, link = delivery.channel.name, link_of(delivery)
    where = "Open the link, sign in" if link else "Open the page Test alarms of this site"
    return {
        "what": HAPPENED,
        "notice": delivery.pk,
        "event": "test-alarm",
        "label": "Test alarm",
        "level": ALARM.value,
        "instance": "",
        "subject": name,
        "text": f"This is a test of the alarms of this site: nothing is wrong. By {name} you would be told of an "
        "instance that is not protected.",
        "hint": f"{where}, and confirm that it reached you. After a week without that the site reports that its "
        "alarms are not proven.",
        "since": now.isoformat(),
        "until": "",
        "ending": "",
        "acknowledged_by": "",
        "link": link,
    }
