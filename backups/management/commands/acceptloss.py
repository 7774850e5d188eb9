from typing import Any

from django.core.management.base import CommandParser

from backups.management.base import BackupCommand
from backups.runs.describe import describe
from backups.service.archives.records.loss import accept_loss
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Accept that the missing archive of a backup is lost: from then on it counts as deleted."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("id", help="id of the backup, or its first 8 characters or more")
        parser.add_argument("--reason", metavar="TEXT", required=True, help="why it is gone")

    def run(self, **options: Any) -> None:
        backup = self.find_backup(options["id"])
        accept_loss(backup, by=operator_name(), reason=options["reason"])
        self.respond(describe(backup), f"lost  {backup}: {backup.deleted_reason}")
