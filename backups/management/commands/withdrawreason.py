from typing import Any

from django.core.management.base import CommandParser

from backups.management.base import BackupCommand
from backups.service.monitoring.verdict.accept import withdraw_reason
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Withdraw the acceptance of a reason."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("instance")
        parser.add_argument("code", help="as `status` prints it")

    def run(self, **options: Any) -> None:
        row = withdraw_reason(options["instance"], options["code"], by=operator_name())
        self.respond({"instance": row.instance, "key": row.key}, f"withdrawn  {row.instance}  {row.key}")
