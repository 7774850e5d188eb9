from typing import Any

from django.core.management.base import CommandParser

from backups.errors import BackupError
from backups.management.base import BackupCommand
from backups.management.output.listing import Item, Sections, item_of, lines
from backups.service.catalogue.hidden import HiddenArchive, find_hidden
from backups.service.catalogue.scan import Scan
from backups.service.catalogue.sync import Imported, import_backups, scan_destination
from destinations.lib.formats import counted
from destinations.lib.operator_error import sentences
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Sync the catalogue with a destination: adopt unknown archives, mark missing ones."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("destination")
        parser.add_argument("--dry-run", action="store_true", help="print what is there, change nothing")

    def run(self, **options: Any) -> None:
        destination = self.find_destination(options["destination"])
        done = None if options["dry_run"] else import_backups(destination, by=operator_name())
        found = done.scan if done else scan_destination(destination)
        # after the update: one that came back is not hidden any more
        hidden = find_hidden(destination)
        sections = {
            **(imported(done) if done else scanned(found)),
            "hidden": [_hidden(each) for each in hidden.archives],
        }
        head = {"destination": destination.name, "dry_run": options["dry_run"], "present": found.present}
        text = [f"{destination.name}: {found.present} archives are there as recorded"]
        if hidden.problem:
            head["hidden_problem"] = hidden.problem
            text.append(f"  {hidden.problem}")
        self.respond({**head, **sections}, "\n".join([*text, *lines(sections)]))
        if done and done.refused:
            path, reason = done.refused[0]
            count = counted(len(done.refused), "file")
            raise BackupError(sentences(f"{count} refused at {destination.name}. The first: {path}: {reason}"))


def scanned(found: Scan) -> Sections:
    return {
        "unknown": [{"path": file.path, "size_bytes": file.size_bytes} for file in found.unknown],
        "missing": [item_of(row) for row in found.missing],
        "expired": [item_of(row, reason="deleted by the store") for row in found.expired],
        "returned": [item_of(row) for row in found.returned],
        "changed": [item_of(row, reason=f"has {size} bytes there") for row, size in found.changed],
        "other": [{"path": file.path, "reason": "not an archive by its name"} for file in found.others],
        "temporary": [{"path": part.file.path, "reason": part.reason} for part in found.leftovers],
    }


def imported(done: Imported) -> Sections:
    return {
        "adopted": [item_of(row) for row in done.adopted],
        "moved": [item_of(row) for row in done.moved],
        "attached": [item_of(row, reason=f"a copy of backup {row.pk}") for row in done.attached],
        "copies": [{"path": path, "reason": f"another copy of backup {row.pk}"} for path, row in done.copies],
        "refused": [{"path": path, "reason": reason} for path, reason in done.refused],
        "missing": [item_of(row) for row in done.missing],
        "expired": [item_of(row, reason="deleted by the store") for row in done.scan.expired],
        "returned": [item_of(row) for row in done.returned],
        "changed": [item_of(row, reason=f"has {size} bytes there") for row, size in done.scan.changed],
        "removed": [{"path": path, "reason": "an orphaned partial upload"} for path in done.removed],
    }


def _hidden(archive: HiddenArchive) -> Item:
    known = {"id": archive.copy.execution_id, "instance": archive.copy.execution.instance} if archive.copy else {}
    facts = {"path": archive.path, "size_bytes": archive.size_bytes, "by_this_site": not archive.is_foreign}
    return facts | known | {"reason": archive.reason}
