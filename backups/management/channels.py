"""What the commands about channels of notifications share."""

from typing import Any

from backups.errors import BackupError
from backups.models import NotificationChannel
from backups.notifications.channels import open_channel
from destinations.exceptions import DestinationConfigError


def find_channel(name: str) -> NotificationChannel:
    """Return the channel of that name. Raises BackupError, which lists those that there are."""
    channel = NotificationChannel.objects.filter(name=name).first()
    if channel is None:
        names = ", ".join(NotificationChannel.objects.values_list("name", flat=True)) or "none yet"
        raise BackupError(f"There is no channel {name!r}.", hint=f"The channels are: {names}.")
    return channel


def describe(channel: NotificationChannel) -> dict[str, Any]:
    """Return what is known of `channel`, without secrets."""
    return {
        "id": channel.pk,
        "name": channel.name,
        "kind": channel.kind,
        "enabled": channel.enabled,
        "recipient": recipient_of(channel),
        "scope": channel.scope,
        "instances": channel.instances,
        "schedules": [schedule.name for schedule in channel.schedules.all()],
        "muted": channel.muted,
        "digest": channel.digest,
        "last_sent_at": channel.last_sent_at.isoformat() if channel.last_sent_at else None,
        "failures": channel.failures,
        "last_error": channel.last_error,
    }


def recipient_of(channel: NotificationChannel) -> str:
    """Return where its messages go, or why that cannot be said."""
    try:
        return open_channel(channel).recipient()
    except DestinationConfigError as error:
        return error.text
