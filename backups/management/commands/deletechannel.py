from typing import Any

from django.core.management.base import CommandParser

from backups.lib import audit
from backups.management.base import BackupCommand
from backups.management.channels import find_channel
from backups.models import Delivery
from destinations.lib.formats import counted
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Delete a channel of notifications, with its messages; those that wait are not sent."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("name")

    def run(self, **options: Any) -> None:
        channel = find_channel(options["name"])
        waiting = Delivery.objects.filter(channel=channel, state=Delivery.State.WAITING).count()
        name, kind = channel.name, channel.kind
        channel.delete()
        audit.log("channel.deleted", channel=name, kind=kind, by=operator_name())
        unsent = f" {counted(waiting, 'message')} waited, and will not be sent." if waiting else ""
        self.respond({"name": name, "deleted": True, "waiting": waiting}, f"Channel {name} is deleted.{unsent}")
