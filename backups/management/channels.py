"""What the commands about channels of notifications share."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandParser

from backups.errors import BackupError, NotDelivered
from backups.instances import get_instance
from backups.models import BackupSchedule, Delivery, NotificationChannel
from backups.notifications.channels import open_channel
from backups.notifications.deliveries import send_test
from backups.notifications.events import cells
from backups.service.schedules.describe import find_schedule
from destinations.exceptions import DestinationConfigError
from destinations.lib.operator_error import sentences
from destinations.management.base import operator_name

Scope = NotificationChannel.Scope


def add_shared_options(parser: CommandParser) -> None:
    parser.add_argument("--option", action="append", default=[], metavar="KEY=VALUE", help="an option of the kind")
    parser.add_argument(
        "--option-file", action="append", default=[], metavar="KEY=PATH", help="the same from a file (secrets)"
    )
    parser.add_argument(
        "--instance", action="append", default=[], metavar="NAME", help="only for this one, and others given so"
    )
    parser.add_argument(
        "--schedule", action="append", default=[], metavar="NAME", help="only for this one, and others given so"
    )
    parser.add_argument(
        "--mute", action="append", default=[], metavar="EVENT:LEVEL", help="leave this out, such as drills:warning"
    )


def scope_from(options: dict[str, Any]) -> tuple[Scope, list[str], list[BackupSchedule]]:
    """Return the scope, the instances and the schedules that are given; the site without any.

    Raises BackupError for both, and for unknown ones.
    """
    if options["instance"] and options["schedule"]:
        raise BackupError("A channel is for instances or for schedules.", hint="Add one channel for each.")
    schedules = [find_schedule(name) for name in options["schedule"]]
    instances = [get_instance(name).name for name in options["instance"]]
    return Scope.INSTANCES if instances else Scope.SCHEDULES if schedules else Scope.SITE, instances, schedules


def require_known_events(given: list[str]) -> None:
    if unknown := [cell for cell in given if cell not in cells()]:
        raise BackupError(f"There is no event {unknown[0]!r}.", hint=f"The events are: {', '.join(cells())}.")


def validate(channel: NotificationChannel, what: str) -> None:
    """Raise BackupError, which says that it cannot be `what`, unless `channel` is valid."""
    try:
        channel.full_clean()
    except ValidationError as error:
        reasons = [f"{field}: {' '.join(texts)}" for field, texts in error.message_dict.items()]
        message = sentences(f"Channel {channel.name!r} cannot be {what}.", *reasons)
        raise BackupError(message, hint="Nothing was changed.") from error


def require_delivery(channel: NotificationChannel, what: str) -> None:
    """Send a test by `channel`, which is `what` already. Raises NotDelivered."""
    delivery = send_test(channel, by=operator_name())
    if delivery.state != Delivery.State.SENT:
        text = sentences(f"Channel {channel.name} is {what}, but its test was not sent: {delivery.error}")
        raise NotDelivered(text, sentences(delivery.error_hint, f"Then run `testchannel {channel.name}`"))


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
