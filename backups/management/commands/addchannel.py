from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction
from django.utils import timezone

from backups.lib import audit
from backups.management.base import BackupCommand
from backups.management.channels import (
    add_shared_options,
    describe,
    require_delivery,
    require_known_events,
    scope_from,
    validate,
)
from backups.models import NotificationChannel
from backups.notifications.channels import configure
from backups.notifications.hours import next_digest
from backups.notifications.messages import introduce
from destinations.management.base import operator_name
from destinations.management.options import given_options


class Command(BackupCommand):
    help = "Add a channel of notifications, and send a test by it."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        kinds = [kind.value for kind in NotificationChannel.Kind]
        parser.add_argument("--kind", required=True, choices=kinds, help="how messages are sent")
        add_shared_options(parser)
        parser.add_argument("--digest", choices=["daily", "weekly"], default="", help="gather what is no alarm")
        parser.add_argument("--time-zone", default="UTC", help="of its digest and the times in its texts")
        parser.add_argument("--show-paths", action="store_true", help="send paths of files on the hosts too")
        parser.add_argument("--untested", action="store_true", help="add it without sending a test")

    def run(self, **options: Any) -> None:
        scope, instances, schedules = scope_from(options)
        require_known_events(options["mute"])
        channel = NotificationChannel(
            name=options["name"],
            kind=options["kind"],
            scope=scope,
            instances=instances,
            muted=options["mute"],
            digest=options["digest"],
            time_zone=options["time_zone"],
            hide_paths=not options["show_paths"],
            created_by=operator_name(),
        )
        configure(channel, given_options(options))
        validate(channel, "added")
        channel.next_digest_at = next_digest(channel, timezone.now())
        with transaction.atomic():
            channel.save()
            channel.schedules.set(schedules)
        introduce(channel, timezone.now())
        audit.log("channel.created", channel=channel.name, kind=channel.kind, by=operator_name())
        if not options["untested"]:
            require_delivery(channel, "added")
        self.respond(describe(channel), f"Channel {channel.name} is added.")
