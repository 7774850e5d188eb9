"""Partial uploads at a destination, and which of them are orphans: uploads that will never be finished.

The partial upload of a backup of this site is an orphan a day after that backup ended. One of unknown origin may be
from another site that uses the same destination: it is an orphan when it has not grown for a day.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from backups.models import BackupExecution, CopyExecution, LeftoverPart
from destinations.backends import Destination, StoredFile
from destinations.backends.base import part_token
from destinations.models import BackupDestination

ORPHAN_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class PartialUpload:
    """A partial upload; an orphan may be deleted. `reason` says why, or why not yet."""

    file: StoredFile
    orphan: bool
    reason: str


def find_partials(opened: Destination, destination: BackupDestination, now: datetime) -> list[PartialUpload]:
    """Return all partial uploads at `destination`. Nothing is changed."""
    files = {file.path: file for file in opened.list_partials()}
    # the name of a partial upload contains the id of its backup
    tokens = {path: part_token(path.rpartition("/")[2]) or "" for path in files}
    backups = {row.pk: row for row in BackupExecution.objects.filter(pk__in=tokens.values()).without_manifest()}
    runs = CopyExecution.objects.filter(copy__in=tokens.values()).order_by("created_at")
    copyings = {run.copy_id: run for run in runs}
    seen = {row.path: row for row in LeftoverPart.objects.filter(destination=destination)}
    found = []
    for path, file in files.items():
        if destination.append_only:
            is_orphan, reason = False, "left to the store: the destination is append-only"
        elif (run := copyings.get(tokens[path])) is not None:
            is_orphan = not run.is_active and now - (run.completed_at or run.created_at) > ORPHAN_AFTER
            reason = f"copy {run.pk} is {run.status}"
        elif (backup := backups.get(tokens[path])) is not None:
            is_orphan = not backup.is_active and now - (backup.completed_at or backup.created_at) > ORPHAN_AFTER
            ended = f"ended {'more' if is_orphan else 'less'} than a day ago"
            reason = f"backup {backup.pk} " + (f"is {backup.status}" if backup.is_active else ended)
        elif (before := seen.get(path)) is None or before.size_bytes != file.size_bytes:
            # by the clock of this site: the modification time of the file is by that of the destination
            is_orphan, reason = False, "of unknown origin and not seen before: checked again in a day"
        elif now - before.first_seen_at <= ORPHAN_AFTER:
            is_orphan, reason = False, "of unknown origin: kept until it has not grown for a day"
        else:
            is_orphan, reason = True, "of unknown origin, and it has not grown for a day"
        found.append(PartialUpload(file, is_orphan, reason))
    return found


def record_seen(destination: BackupDestination, partials: Iterable[PartialUpload], now: datetime) -> None:
    """Record when each partial upload was first seen at its size, and delete the rows of those that are gone."""
    files = {partial.file.path: partial.file for partial in partials}
    LeftoverPart.objects.filter(destination=destination).exclude(path__in=files).delete()
    for path, file in files.items():
        part, _ = LeftoverPart.objects.get_or_create(
            destination=destination, path=path, defaults={"size_bytes": file.size_bytes, "first_seen_at": now}
        )
        if part.size_bytes != file.size_bytes:
            part.size_bytes, part.first_seen_at = file.size_bytes, now
            part.save(update_fields=["size_bytes", "first_seen_at"])
