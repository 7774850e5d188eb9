"""The registry: a new kind is one new file, one line here and one in `NotificationChannel.Kind`."""

from collections.abc import Mapping, MutableMapping

from django.db import transaction

from backups.models import NotificationChannel
from backups.notifications.channels.base import Channel
from destinations.exceptions import DestinationConfigError
from destinations.lib.formats import counted
from destinations.lib.later import LaterMapping
from destinations.secrets import seal_options, unseal_options

__all__ = ["KINDS", "Channel", "configure", "kind_of", "open_channel", "options_of"]

# in the order of the page on which one is chosen
KINDS: MutableMapping[str, type[Channel]] = LaterMapping(
    mail="backups.notifications.channels.mail.MailChannel",
    webhook="backups.notifications.channels.webhook.WebhookChannel",
    apprise="backups.notifications.channels.apprise.AppriseChannel",
    ping="backups.notifications.channels.ping.PingChannel",
)


def kind_of(channel: NotificationChannel) -> type[Channel]:
    return KINDS[channel.kind]


def configure(channel: NotificationChannel, options: Mapping[str, object]) -> None:
    """Take validated plain `options` into the row, secrets sealed; nothing is saved.

    Raises `DestinationConfigError`.
    """
    kind = kind_of(channel)
    given = {option: value for option, value in options.items() if value not in (None, "")}
    channel.config_json = seal_options(kind.clean(given), kind.secret_options)


def options_of(channel: NotificationChannel) -> dict[str, object]:
    """Return the options in plain text, secrets too. Raises `DestinationConfigError`."""
    return unseal_options(channel.config_json, kind_of(channel).secret_options, of=f"channel {channel.name!r}")


def reseal_channels(**_: object) -> None:
    """Seal the options of all channels again under the first key. Raises `DestinationConfigError` for the others."""
    unopened = []
    for pk in list(NotificationChannel.objects.values_list("pk", flat=True)):
        with transaction.atomic():
            channel = NotificationChannel.objects.select_for_update().filter(pk=pk).first()
            if channel is None:  # deleted meanwhile
                continue
            try:
                channel.config_json = seal_options(options_of(channel), kind_of(channel).secret_options)
            except DestinationConfigError:
                unopened.append(channel.name)
            else:
                channel.save(update_fields=["config_json"])
    if unopened:
        raise DestinationConfigError(
            f"The secrets of {counted(len(unopened), 'channel')} cannot be read: {', '.join(unopened)}.",
            "Restore their keys to BACKUP_SECRETS_KEY, or enter the secrets again.",
        )


def open_channel(channel: NotificationChannel) -> Channel:
    """Return what sends the messages of `channel`. Raises `DestinationConfigError`."""
    kind = kind_of(channel)
    return kind(kind.clean(options_of(channel)))
