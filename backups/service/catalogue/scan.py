"""Scan a destination: compare the files there with the catalogue. Nothing is changed."""

from dataclasses import dataclass, field
from datetime import datetime

from backups.models import BackupCopy, BackupExecution
from backups.service.archives.names import is_archive, is_signature
from backups.service.archives.records.copies import seen_at
from backups.service.catalogue.partials import PartialUpload, find_partials
from backups.service.retention.plan import plan_prune
from backups.service.retention.stored import copies_at
from destinations.backends import Destination, StoredFile
from destinations.exceptions import NotFound
from destinations.models import BackupDestination


@dataclass(frozen=True, slots=True)
class Scan:
    """`whole` archives are there as recorded, `unknown` ones are not recorded, `missing` ones are not there any more.

    `returned` ones were missing before. `changed` ones have another size than was uploaded: with that size in bytes.
    `others` are files that are not archives by their names. The backups are as their copies here; `copies` has these by
    the id of the backup.
    """

    whole: list[BackupExecution]
    unknown: list[StoredFile]
    missing: list[BackupExecution]
    returned: list[BackupExecution]
    changed: list[tuple[BackupExecution, int]]
    others: list[StoredFile]
    leftovers: list[PartialUpload]
    copies: dict[str, BackupCopy]
    # where only the store deletes: gone, and past the rule
    expired: list[BackupExecution] = field(default_factory=list)

    @property
    def present(self) -> int:
        return len(self.whole)


def scan(opened: Destination, destination: BackupDestination, now: datetime) -> Scan:
    """Compare the listing of `destination` with its rows. Raises DestinationError when it cannot be listed."""
    copies = {copy.execution_id: copy for copy in copies_at(destination)}
    rows = [seen_at(copy) for copy in copies.values()]
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
    expired: list[BackupExecution] = []
    if destination.append_only and missing:
        past = {entry.execution.pk for entry in plan_prune(destination, now).entries if entry.left_to_store}
        expired = [row for row in missing if row.pk in past]
        missing = [row for row in missing if row.pk not in past]
    whole = [row for row, size in there if row.compressed_size_bytes in (None, size)]
    return Scan(
        whole=whole,
        unknown=[file for file in unrecorded if is_archive(file.path)],
        missing=missing,
        returned=[row for row in whole if row.missing_at is not None],
        changed=changed,
        others=[file for file in unrecorded if not is_archive(file.path)],
        leftovers=find_partials(opened, destination, now),
        copies=copies,
        expired=expired,
    )


def _known_now(destination: BackupDestination) -> tuple[set[str], set[str]]:
    """Return the paths that are recorded or being uploaded to, and the ids of backups whose archive should be there."""
    imports = BackupExecution.objects.active().filter(destination=destination).exclude(planned_path="")
    paths, alive = set(imports.values_list("planned_path", flat=True)), set()
    rows = BackupCopy.objects.filter(destination=destination).exclude(state=BackupCopy.State.DELETED)
    for backup, path, planned, state, missing_at, deleting_at in rows.values_list(
        "execution", "path", "planned_path", "state", "missing_at", "execution__deleting_at"
    ):
        paths |= {path, planned}
        if state == BackupCopy.State.STORED and missing_at is None and deleting_at is None:
            alive.add(backup)
    return paths, alive
