from typing import Any

from django.core.management.base import CommandParser

from backups.management.base import BackupCommand, add_limit_argument, limited
from backups.models import BackupCopy, BackupExecution
from backups.models.querysets import DAMAGED, DELETED, LACKS_A_COPY, MISSING, STORED
from backups.runs.describe import describe
from backups.service.drops.episodes import label_of, summary
from destinations.lib.formats import human_duration, human_size, printable

ARCHIVES = {
    "stored": STORED, "missing": MISSING, "damaged": DAMAGED, "deleted": DELETED, "lacks-a-copy": LACKS_A_COPY,
}  # fmt: skip
ROW = "{:36}  {:20}  {:11}  {:13}  {:16}  {:>9}  {:>9}  {}"


class Command(BackupCommand):
    help = "List backups, newest first."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("instance", nargs="?")
        parser.add_argument("--destination", metavar="NAME", help="only those with a copy there; a deleted one too")
        parser.add_argument("--status", choices=BackupExecution.Status.values, help="only those")
        parser.add_argument("--archive", choices=list(ARCHIVES), help="only those whose archive is so")
        add_limit_argument(parser)

    def run(self, **options: Any) -> None:
        backups = (
            BackupExecution.objects.select_related("destination")
            .prefetch_related("copies__destination")
            .without_manifest()
        )
        if options["instance"]:
            backups = backups.filter(instance=options["instance"])
        if options["destination"]:
            where = self.find_destination(options["destination"], removed=True)
            backups = backups.at_destination(where, BackupCopy.objects.all())
        if options["status"]:
            backups = backups.filter(status=options["status"])
        if options["archive"]:
            backups = backups.filter(ARCHIVES[options["archive"]])
        rows = limited(backups, options["limit"])
        self.respond([describe(row) for row in rows], table(rows))


def table(backups: list[BackupExecution]) -> str:
    if not backups:
        return "no backups"
    lines = [ROW.format("id", "instance", "status", "kind", "created (UTC)", "size", "took", "file or error")]
    for backup in backups:
        status = "deleted" if backup.deleted_at else "missing" if backup.missing_at else backup.status
        status = "damaged" if backup.is_damaged else status
        dropped = f"  {label_of(backup)}: {summary(backup)}" if backup.open_drop else ""
        line = ROW.format(
            backup.pk,
            backup.instance,
            status,
            backup.kind,
            f"{backup.created_at:%Y-%m-%d %H:%M}",
            human_size(backup.compressed_size_bytes),
            human_duration(backup.duration),
            (backup.backup_filename or backup.error_message) + dropped + _missing_copies(backup),
        )
        lines.append(printable(line))
    return "\n".join(lines)


def _missing_copies(backup: BackupExecution) -> str:
    if not backup.lacks_a_copy:
        return ""
    lacking = (copy.destination.name for copy in backup.copies.all() if not copy.is_sound and copy.deleted_at is None)
    return f"  no copy at: {', '.join(lacking)}"
