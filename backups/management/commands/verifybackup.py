from typing import Any

from django.core.management.base import CommandParser

from backups.errors import BackupError, PutOff
from backups.management.base import BackupCommand, add_archive_arguments
from backups.models import BackupExecution
from backups.service.archives.verify import Verified
from backups.service.drill.copies import copy_at, verify_copies
from backups.service.drill.run import verify_archive, verify_backup
from destinations.lib.formats import counted, printable
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Verify a backup: every checksum, a complete manifest, every database opens and passes its check."

    def add_options(self, parser: CommandParser) -> None:
        add_archive_arguments(parser)
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--at", metavar="NAME", help="the copy at that destination, instead of the one in turn")
        which.add_argument("--every-copy", action="store_true", help="each copy, one after the other")

    def run(self, **options: Any) -> None:
        if options["file"]:
            if options["at"] or options["every_copy"]:
                raise BackupError("An archive file has no copies.", hint="Name a backup, or leave the option out.")
            self._tell(str(options["file"]), verify_archive(options["file"]))
            return
        backup = self.find_backup(options["id"])
        if options["every_copy"]:
            self._verify_every_copy(backup)
            return
        only = copy_at(backup, self.find_destination(options["at"])) if options["at"] else None
        self._tell(backup.backup_filename, verify_backup(backup, by=operator_name(), only_copy=only))

    def _tell(self, subject: str, verified: Verified) -> None:
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

    def _verify_every_copy(self, backup: BackupExecution) -> None:
        subject, copies, lines = backup.backup_filename, [], []
        results = verify_copies(backup, by=operator_name())
        for copy, found in results:
            where, is_good = copy.destination.name, isinstance(found, Verified)
            copies.append(
                {
                    "destination": where,
                    "verified": is_good,
                    "signature": found.signature if isinstance(found, Verified) else "",
                    "error": "" if isinstance(found, Verified) else found.message,
                }
            )
            state = "verified" if is_good else "put off" if isinstance(found, PutOff) else "failed"
            lines.append(f"{state:9} {subject} at {where}: {copies[-1]['error'] or copies[-1]['signature']}")
        self.respond(
            {"verified": all(copy["verified"] for copy in copies), "subject": subject, "copies": copies},
            "\n".join(map(printable, lines)),
        )
        put_off = [found for _, found in results if isinstance(found, PutOff)]
        if bad := sum(not copy["verified"] for copy in copies) - len(put_off):
            raise BackupError(
                f"{counted(bad, 'copy', 'copies')} of {subject} could not be verified.",
                hint="See above why; 'copybackup' makes a copy anew from a sound one.",
            )
        if put_off:
            raise put_off[0]
