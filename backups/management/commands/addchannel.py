from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandParser
from django.db import transaction
from django.utils import timezone

from backups.errors import BackupError, NotDelivered
from backups.instances import get_instance
from backups.lib import audit
from backups.management.base import BackupCommand
from backups.management.channels import describe
from backups.models import BackupSchedule, Delivery, NotificationChannel
from backups.notifications.channels import configure
from backups.notifications.deliveries import send_test
from backups.notifications.events import cells
from backups.notifications.hours import next_digest
from backups.notifications.messages import introduce
from destinations.lib.operator_error import sentences
from destinations.management.base import operator_name
from destinations.management.options import given_options

Scope = NotificationChannel.Scope


class Command(BackupCommand):
    help = "Add a channel of notifications, and send a test by it."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        kinds = [kind.value for kind in NotificationChannel.Kind]
        parser.add_argument("--kind", required=True, choices=kinds, help="how messages are sent")
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
        parser.add_argument("--digest", choices=["daily", "weekly"], default="", help="gather what is no alarm")
        parser.add_argument("--time-zone", default="UTC", help="of its digest and the times in its texts")
        parser.add_argument("--show-paths", action="store_true", help="send paths of files on the hosts too")
        parser.add_argument("--untested", action="store_true", help="add it without sending a test")

    def run(self, **options: Any) -> None:
        if options["instance"] and options["schedule"]:
            raise BackupError("A channel is for instances or for schedules.", hint="Add one channel for each.")
        if unknown := [cell for cell in options["mute"] if cell not in cells()]:
            raise BackupError(f"There is no event {unknown[0]!r}.", hint=f"The events are: {', '.join(cells())}.")
        instances = [get_instance(name).name for name in options["instance"]]
        schedules = [_schedule(name) for name in options["schedule"]]
        channel = NotificationChannel(
            name=options["name"],
            kind=options["kind"],
            scope=Scope.INSTANCES if instances else Scope.SCHEDULES if schedules else Scope.SITE,
            instances=instances,
            muted=options["mute"],
            digest=options["digest"],
            time_zone=options["time_zone"],
            hide_paths=not options["show_paths"],
            created_by=operator_name(),
        )
        configure(channel, given_options(options))
        try:
            channel.full_clean()
        except ValidationError as error:
            reasons = [f"{field}: {' '.join(texts)}" for field, texts in error.message_dict.items()]
            message = sentences(f"Channel {channel.name!r} cannot be added.", *reasons)
            raise BackupError(message, hint="Nothing was changed.") from error
        channel.next_digest_at = next_digest(channel, timezone.now())
        with transaction.atomic():
            channel.save()
            channel.schedules.set(schedules)
        introduce(channel, timezone.now())
        audit.log("channel.created", channel=channel.name, kind=channel.kind, by=operator_name())
        if not options["untested"]:
            delivery = send_test(channel, by=operator_name())
            if delivery.state != Delivery.State.SENT:
                text = sentences(f"Channel {channel.name} is added, but its test was not sent: {delivery.error}")
                raise NotDelivered(text, sentences(delivery.error_hint, f"Then run `testchannel {channel.name}`"))
        self.respond(describe(channel), f"Channel {channel.name} is added.")


def _schedule(name: str) -> BackupSchedule:
    found = BackupSchedule.objects.filter(name=name).first()
    if found is None:
        names = ", ".join(BackupSchedule.objects.values_list("name", flat=True)) or "none yet"
        raise BackupError(f"There is no schedule {name!r}.", hint=f"The schedules are: {names}.")
    return found
