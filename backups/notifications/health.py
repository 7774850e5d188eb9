"""Whether a channel works: what its row says of the latest tries."""

from datetime import datetime

from django.db.models import F, Max

from backups.models import Delivery, NotificationChannel
from destinations.lib.operator_error import OperatorError


def channel_works(channel: NotificationChannel, now: datetime) -> None:
    """Record that a message arrived, and let what waits go with the next tick."""
    waiting = Delivery.objects.filter(channel=channel, state=Delivery.State.WAITING)
    latest = waiting.filter(attempts__gt=0).aggregate(latest=Max("next_try_at"))["latest"] if channel.failures else None
    if latest is not None:
        # what failed, and what had to wait with it, goes with the next tick
        waiting.filter(next_try_at__gt=now, next_try_at__lte=latest).update(next_try_at=now)
    NotificationChannel.objects.filter(pk=channel.pk).update(
        last_sent_at=now, failures=0, failing_since=None, last_error=""
    )


def channel_fails(channel: NotificationChannel, error: OperatorError, now: datetime) -> None:
    """Record why one did not."""
    rows = NotificationChannel.objects.filter(pk=channel.pk)
    rows.update(failures=F("failures") + 1, last_error=error.text)
    rows.filter(failing_since=None).update(failing_since=now)
