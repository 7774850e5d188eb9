"""What lies at a destination, beside what is recorded of it. Looking changes nothing."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from backups.models import BackupExecution
from backups.service.archives.names import is_archive, is_signature
from backups.service.catalogue.partials import Leftover, find_leftovers
from backups.service.retention.plan import COLUMNS
from destinations.backends import Destination, StoredFile
from destinations.exceptions import NotFound
from destinations.models import BackupDestination

Status = BackupExecution.Status


@dataclass(frozen=True, slots=True)
class Scan:
    """`present` archives are there as recorded, `unknown` ones are not recorded, `missing` ones not there any more.

    `returned` ones were missing before. `changed` ones have another size than was uploaded, in bytes. `others` are
    files that are no archives by their name.
    """

    present: int
    unknown: list[StoredFile]
    missing: list[BackupExecution]
    returned: list[BackupExecution]
    changed: list[tuple[BackupExecution, int]]
    others: list[StoredFile]
    leftovers: list[Leftover]


def scan(opened: Destination, destination: BackupDestination, now: datetime) -> Scan:
    """Compare the listing of `destination` with its rows.

    Raises DestinationError: a place that cannot be listed is never an empty one.
    """
    rows = list(BackupExecution.objects.completed().filter(destination=destination, deleted_at=None).only(*COLUMNS))
    files = {file.path: file for file in opened.list()}
    # read again: what was uploaded or deleted while the listing ran is neither unknown nor missing
    paths, alive = _known_now(destination)
    paths.update(row.backup_path for row in rows)
    unrecorded = [file for path, file in files.items() if path not in paths and not is_signature(path, files, paths)]
    there = [(row, files[row.backup_path].size_bytes) for row in rows if row.backup_path in files]
    changed = [(row, size) for row, size in there if row.compressed_size_bytes not in (None, size)]
    whole = [row for row, size in there if row.compressed_size_bytes in (None, size)]
    return Scan(
        present=len(whole),
        unknown=[file for file in unrecorded if is_archive(file.path)],
        missing=[row for row in rows if row.pk in alive and row.backup_path not in files and _gone(opened, row)],
        returned=[row for row in whole if row.missing_at is not None],
        changed=changed,
        others=[file for file in unrecorded if not is_archive(file.path)],
        leftovers=find_leftovers(opened, destination, now),
    )


def _known_now(destination: BackupDestination) -> tuple[set[str], set[str]]:
    """Return the paths that are recorded or being uploaded to, and the ids whose archive should be there."""
    active = Q(status__in=BackupExecution.ACTIVE) & ~Q(planned_path="")
    recorded = Q(deleted_at=None) & ~Q(backup_path="")
    rows = BackupExecution.objects.filter(active | recorded, destination=destination)
    paths, alive = set(), set()
    for pk, path, planned, status, missing_at, deleting_at in rows.values_list(
        "pk", "backup_path", "planned_path", "status", "missing_at", "deleting_at"
    ):
        paths |= {path, planned}
        if status == Status.COMPLETED and missing_at is None and deleting_at is None:
            alive.add(pk)
    return paths, alive


def _gone(opened: Destination, execution: BackupExecution) -> bool:
    """Ask by name: a listing may be behind."""
    try:
        opened.stat(execution.backup_path)
    except NotFound:
        return True
    return False
