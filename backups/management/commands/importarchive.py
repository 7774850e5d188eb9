from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from backups.management.base import BackupCommand
from backups.runs.describe import describe
from backups.service.catalogue.import_file import import_archive
from destinations.lib.formats import human_size, printable
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Verify an archive file, store it at a destination and record it like a backup made here."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--destination", metavar="NAME", help="needed when several are enabled")

    def run(self, **options: Any) -> None:
        destination = self.find_destination(options["destination"])
        backup = import_archive(options["file"], destination, by=operator_name())
        self.respond(
            describe(backup),
            f"imported  {backup.backup_path} at {destination.name}\n"
            f"          backup of {backup.instance}, {human_size(backup.compressed_size_bytes)}\n"
            f"          id {backup.pk}"
            + "".join(f"\n          warning: {printable(text)}" for text in backup.warnings),
        )
