from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from backups.errors import BackupError
from backups.management.base import BackupCommand
from backups.management.channels import find_channel
from backups.notifications.test_alarm import alarm_channels, confirm, queue_test_alarms
from destinations.lib.formats import counted, listed
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Send a test alarm by each channel that is told of unprotected instances, or record that one arrived."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", default="", help="only by this channel")
        parser.add_argument("--arrived", action="store_true", help="record that the newest one by NAME reached you")

    def run(self, **options: Any) -> None:
        name = options["name"]
        if options["arrived"]:
            if not name:
                raise BackupError("--arrived needs the name of a channel.", hint="Give the one that it came by.")
            channel = confirm(find_channel(name), by=operator_name())
            proven = {"name": channel.name, "proven_at": channel.proven_at and channel.proven_at.isoformat()}
            self.respond(proven, f"Recorded that the test alarm by {channel.name} arrived.")
            return
        channels = alarm_channels()
        if name:
            channel = find_channel(name)
            channels = [one for one in channels if one.pk == channel.pk]
        if not channels:
            raise BackupError(
                "No such channel would be told of an instance that is not protected." if name
                else "No channel would be told of an instance that is not protected.",
                hint="Add one with `addchannel`, or enable one that takes alarms.",
            )  # fmt: skip
        names = [delivery.channel.name for delivery in queue_test_alarms(channels, timezone.now())]
        text = f"Queued {counted(len(names), 'test alarm')}, by {listed(names)}: the next tick of a worker sends them."
        self.respond({"channels": names}, text)
