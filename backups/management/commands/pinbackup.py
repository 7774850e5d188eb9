from typing import Any

from django.core.management.base import CommandParser

from backups.management.base import BackupCommand
from backups.runs.describe import describe
from backups.service.archives.pin import pin_backup
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Keep a backup for good: neither retention nor a person deletes it until it is unpinned."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("id", help="id of the backup, or its first 8 characters or more")
        parser.add_argument("--reason", required=True, metavar="TEXT", help="why it must never go")

    def run(self, **options: Any) -> None:
        execution = self.find_execution(options["id"])
        pin_backup(execution, by=operator_name(), reason=options["reason"])
        self.respond(describe(execution), f"pinned  {execution}: {execution.pin_reason}")
