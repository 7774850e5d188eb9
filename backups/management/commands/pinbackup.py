from typing import Any

from django.core.management.base import CommandParser

from backups.management.base import BackupCommand
from backups.runs.describe import describe
from backups.service.archives.records.pin import pin_backup
from destinations.lib.formats import printable
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Pin a backup: neither retention nor an operator deletes it until it is unpinned."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("id", help="id of the backup, or its first 8 characters or more")
        parser.add_argument("--reason", required=True, metavar="TEXT", help="why it must be kept")

    def run(self, **options: Any) -> None:
        backup = self.find_backup(options["id"])
        pin_backup(backup, by=operator_name(), reason=options["reason"])
        self.respond(describe(backup), printable(f"pinned  {backup}: {backup.pin_reason}"))
