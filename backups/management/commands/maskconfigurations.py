from typing import Any

from django.core.management.base import CommandParser

from backups.management.base import BackupCommand
from backups.service.archives.records.mask import mask_kept_configurations
from destinations.lib.formats import counted
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Mask the secrets in the configurations that records of backups keep, by the present list of their names."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count the records with secrets, change nothing")

    def run(self, **options: Any) -> None:
        found = mask_kept_configurations(by=operator_name(), dry_run=options["dry_run"])
        data = {"checked": found.checked, "masked": found.masked, "dry_run": options["dry_run"]}
        what = "would be masked" if options["dry_run"] else "masked"
        self.respond(data, f"{counted(found.checked, 'configuration')} checked, {found.masked} {what}.")
