"""Scan a destination: compare the files there with the catalogue. Nothing is changed."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from backups.models import BackupExecution
from backups.service.archives.names import is_archive, is_signature
from backups.service.catalogue.partials import PartialUpload, find_partials
from backups.service.retention.plan import COLUMNS
from destinations.backends import Destination, StoredFile
from destinations.exceptions import NotFound
from destinations.models import BackupDestination

Status = BackupExecution.Status


@dataclass(frozen=True, slots=True)
class Scan:
    """`whole` archives are there as recorded, `unknown` ones are not recorded, `missing` ones are not there any more.

    `returned` ones were missing before. `changed` ones have another size than was uploaded: with that size in bytes.
    `others` are files that are not archives by their names.
    """

    whole: list[BackupExecution]
    unknown: list[StoredFile]
    missing: list[BackupExecution]
    returned: list[BackupExecution]
    changed: list[tuple[BackupExecution, int]]
    others: list[StoredFile]
    leftovers: list[PartialUpload]

    @property
    def present(self) -> int:
        return len(self.whole)


def scan(opened: Destination, destination: BackupDestination, now: datetime) -> Scan:
    """Compare the listing of `destination` with its rows. Raises DestinationError when it cannot be listed."""
    rows = list(BackupExecution.objects.completed().filter(destination=destination, deleted_at=None).only(*COLUMNS))
    files = {file.path: file for file in opened.list()}
    # read after the listing: an archive uploaded or deleted meanwhile is neither unknown nor missing
    paths, alive = _known_now(destination)
    paths.update(row.backup_path for row in rows)
    unrecorded = [file for path, file in files.items() if path not in paths and not is_signature(path, files, paths)]
    there = [(row, files[row.backup_path].size_bytes) for row in rows if row.backup_path in files]
    changed = [(row, size) for row, size in there if row.compressed_size_bytes not in (None, size)]
    missing = []
    for row in rows:
        if row.pk in alive and row.backup_path not in files:
            try:
                # object stores may list a file later than they return it by its name
                opened.stat(row.backup_path)
            except NotFound:
                missing.append(row)
    whole = [row for row, size in there if row.compressed_size_bytes in (None, size)]
    return Scan(
        whole=whole,
        unknown=[file for file in unrecorded if is_archive(file.path)],
        missing=missing,
        returned=[row for row in whole if row.missing_at is not None],
        changed=changed,
        others=[file for file in unrecorded if not is_archive(file.path)],
        leftovers=find_partials(opened, destination, now),
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
