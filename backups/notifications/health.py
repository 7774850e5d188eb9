"""Whether a channel works: what its row says of the latest tries."""

from datetime import datetime, timedelta

from django.db.models import F, Value
from django.db.models.functions import Coalesce

from backups.models import NotificationChannel
from destinations.lib.operator_error import OperatorError

# after the first, second, ... failure in a row
MINUTES = (1, 2, 5, 10, 20, 30, 60, 60, 120, 120, 240)


def channel_works(channel: NotificationChannel, now: datetime) -> None:
    """Record that a message arrived: what waits goes too."""
    NotificationChannel.objects.filter(pk=channel.pk).update(
        last_sent_at=now, failures=0, failing_since=None, retry_at=None, last_error=""
    )


def channel_fails(channel: NotificationChannel, error: OperatorError, now: datetime) -> None:
    """Record why one did not, and let the others of the channel wait, longer each time."""
    rows = NotificationChannel.objects.filter(pk=channel.pk)
    rows.update(failures=F("failures") + 1, last_error=error.text, failing_since=Coalesce("failing_since", Value(now)))
    failures = rows.values_list("failures", flat=True).first() or 1
    rows.update(retry_at=now + pause_after(failures))


def pause_after(failures: int) -> timedelta:
    return timedelta(minutes=MINUTES[min(failures, len(MINUTES)) - 1])
