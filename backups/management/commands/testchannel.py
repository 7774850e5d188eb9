from typing import Any

from django.core.management.base import CommandParser

from backups.errors import NotDelivered
from backups.management.base import BackupCommand
from backups.management.channels import find_channel
from backups.models import Delivery
from backups.notifications.deliveries import send_test
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Send a test by a channel of notifications, now."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("name")

    def run(self, **options: Any) -> None:
        channel = find_channel(options["name"])
        delivery = send_test(channel, by=operator_name())
        if delivery.state != Delivery.State.SENT:
            raise NotDelivered(delivery.error, delivery.error_hint)
        data = {"name": channel.name, "ok": True, "delivery": delivery.pk, "answer": delivery.answer}
        self.respond(data, f"The test was sent by {channel.name}: {delivery.answer}.")
