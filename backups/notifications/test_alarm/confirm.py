"""Record that a test alarm reached a person: the chain from the tick to that person is proven until then."""

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from backups.errors import BackupError
from backups.lib import audit
from backups.models import Delivery, NotificationChannel
from backups.notifications.test_alarm.links import delivery_of
from destinations.lib.operator_error import sentences

ALREADY = "This test alarm is confirmed already, or a later one is."


def confirm_by_link(token: str, *, by: audit.Actor) -> NotificationChannel:
    """Record that the test alarm whose link has `token` arrived. Raises BackupError."""
    return _confirm(delivery_of(token), by)


def confirm(channel: NotificationChannel, *, by: audit.Actor) -> NotificationChannel:
    """Record that the newest test alarm of `channel` arrived. Raises BackupError, also where its delivery failed."""
    sent = Delivery.objects.filter(channel=channel, kind=Delivery.Kind.TEST_ALARM).select_related("channel")
    newest = sent.order_by("-created_at").first()
    if newest is None:
        raise BackupError(f"No test alarm was sent by {channel}.", hint="Run `testalarm`.")
    if has_failed(newest):
        raise BackupError(
            sentences(f"The test alarm by {channel} could not be delivered", newest.error),
            hint="Correct the channel and send another one. Who got this one all the same opens the link in it.",
        )
    return _confirm(newest, by)


def has_failed(delivery: Delivery) -> bool:
    """Return whether `delivery` was tried or given up, and no recipient is known to have it."""
    tried = delivery.attempts > 0 or delivery.state == Delivery.State.GIVEN_UP
    return tried and delivery.state != Delivery.State.SENT and not delivery.done


def _confirm(delivery: Delivery, by: audit.Actor) -> NotificationChannel:
    channel, now, name = delivery.channel, timezone.now(), audit.name_of(by)
    if delivery.state == Delivery.State.WAITING and not delivery.attempts:
        raise BackupError("This test alarm was not sent yet.", hint="The next tick of a worker sends it.")
    with transaction.atomic():
        rows = NotificationChannel.objects.filter(pk=channel.pk, unproven_since__lte=delivery.created_at)
        # one that was sent after it is still to be confirmed
        later = rows.filter(alarm_tested_at__gt=delivery.created_at)
        changed = later.update(proven_at=now, proven_by=name, unproven_since=F("alarm_tested_at"))
        changed = changed or rows.update(proven_at=now, proven_by=name, unproven_since=None)
        if not changed:
            raise BackupError(ALREADY, hint="Nothing was changed.")
        audit.note(by, channel, "Confirmed that a test alarm arrived.")
    audit.log("channel.proven", channel=channel.name, delivery=delivery.pk, by=name)
    channel.refresh_from_db()
    return channel
