"""Sending past the queue of messages: for the independent watch, while no worker sends what is queued."""

from collections.abc import Sequence
from uuid import uuid4

from django.utils import timezone

from backups.lib import audit
from backups.models import Delivery, NotificationChannel
from backups.notifications.channels import kind_of, open_channel
from backups.notifications.hiding import without_paths
from backups.notifications.message import Level, Message, Progress
from destinations.lib.operator_error import OperatorError


def channels_of_site() -> list[NotificationChannel]:
    """Return the channels that get what concerns the whole site."""
    rows = NotificationChannel.objects.filter(enabled=True, scope=NotificationChannel.Scope.SITE).order_by("name")
    return [channel for channel in rows if kind_of(channel).takes_messages]


def send_at_once(
    channels: Sequence[NotificationChannel], subject: str, text: str, *, is_over: bool
) -> dict[str, OperatorError]:
    """Send a message by each of `channels`, and write no row; return by name why it was not sent.

    Quiet hours and digests do not count: what is sent so is that the site does not work.
    """
    failed: dict[str, OperatorError] = {}
    for channel in channels:
        said = (subject, text)
        if channel.hide_paths:
            said = (without_paths(subject), without_paths(text))
        level = Level.INFORMATION if is_over else Level.ALARM
        message = Message(str(uuid4()), Delivery.Kind.MESSAGE, timezone.now(), level, *said)
        try:
            open_channel(channel).send(message, Progress())
        except OperatorError as error:
            failed[channel.name] = error
        # of a library: the others must be sent all the same
        except Exception as error:
            audit.crashed("notification.crashed", error, channel=channel.name)
            failed[channel.name] = OperatorError(f"Unexpected error {type(error).__name__}.", "The log says more.")
    return failed
