from typing import Any

from django.core.management.base import CommandParser

from backups.management.base import BackupCommand
from backups.runs.describe import describe
from backups.service.archives.records.pin import unpin_backup
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Unpin a backup: from then on the retention rule applies to it again."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("id", help="id of the backup, or its first 8 characters or more")

    def run(self, **options: Any) -> None:
        backup = self.find_backup(options["id"])
        unpin_backup(backup, by=operator_name())
        self.respond(describe(backup), f"unpinned  {backup}")
