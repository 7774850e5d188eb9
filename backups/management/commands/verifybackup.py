from typing import Any

from django.core.management.base import CommandParser

from backups.management.base import BackupCommand, add_archive_arguments
from backups.service.drill.run import verify_archive, verify_backup
from destinations.lib.formats import printable
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Verify a backup: every checksum, a complete manifest, every database opens and passes its check."

    def add_options(self, parser: CommandParser) -> None:
        add_archive_arguments(parser)

    def run(self, **options: Any) -> None:
        if options["file"]:
            subject = str(options["file"])
            verified = verify_archive(options["file"])
        else:
            backup = self.find_backup(options["id"])
            subject = backup.backup_filename
            verified = verify_backup(backup, by=operator_name())
        data = {
            "verified": True,
            "subject": subject,
            "files": len(verified.manifest.contents),
            "databases": verified.databases,
            "signature": verified.signature,
            "destination": verified.destination or None,
            "warnings": verified.warnings,
        }
        # a note is about a database that could not be checked completely
        state = "were checked" if verified.notes else "are sound"
        found = f"{data['files']} files agree with the manifest, {data['databases']} databases {state}"
        where = f" at {verified.destination}" if verified.destination else ""
        lines = [
            f"verified  {subject}{where}: {found}, {verified.signature}",
            *(f"warning   {note}" for note in verified.notes),
        ]
        self.respond(data, "\n".join(map(printable, lines)))
