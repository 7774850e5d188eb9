"""Temporary files of uploads that nobody will finish.

Their dates are the other side's and prove nothing. One whose execution is ours is removed a day after that execution
ended; one of unknown origin, perhaps an upload of another site that shares the place, when it was found twice, a day
apart by our clock, without having grown.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from backups.models import BackupExecution, LeftoverPart
from destinations.backends import Destination, StoredFile
from destinations.backends.base import part_token
from destinations.models import BackupDestination

PATIENCE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Leftover:
    file: StoredFile
    orphan: bool
    reason: str


def find_leftovers(opened: Destination, destination: BackupDestination, now: datetime) -> list[Leftover]:
    """Return every temporary file, and whether it may go. Nothing is changed."""
    parts = list(opened.list_partials())
    tokens = {part_token(part.path.rpartition("/")[2]) for part in parts}
    ours = {row.pk: row for row in BackupExecution.objects.filter(pk__in=tokens).without_manifest()}
    seen = {row.path: row for row in LeftoverPart.objects.filter(destination=destination)}
    return [_judge(part, ours.get(_token(part)), seen.get(part.path), now) for part in parts]


def remember(destination: BackupDestination, leftovers: Iterable[Leftover], now: datetime) -> None:
    """Note since when each temporary file is known with its size, and forget those that are gone."""
    files = {leftover.file.path: leftover.file for leftover in leftovers}
    LeftoverPart.objects.filter(destination=destination).exclude(path__in=files).delete()
    for path, file in files.items():
        part, _ = LeftoverPart.objects.get_or_create(
            destination=destination, path=path, defaults={"size_bytes": file.size_bytes, "first_seen_at": now}
        )
        if part.size_bytes != file.size_bytes:
            part.size_bytes, part.first_seen_at = file.size_bytes, now
            part.save(update_fields=["size_bytes", "first_seen_at"])


def _token(part: StoredFile) -> str:
    return part_token(part.path.rpartition("/")[2]) or ""


def _judge(part: StoredFile, execution: BackupExecution | None, seen: LeftoverPart | None, now: datetime) -> Leftover:
    if execution is not None:
        return _judge_ours(part, execution, now)
    if seen is None or seen.size_bytes != part.size_bytes:
        return Leftover(part, False, "of unknown origin and not seen before: looked at again in a day")
    if now - seen.first_seen_at <= PATIENCE:
        return Leftover(part, False, "of unknown origin: waits until a day has passed without it growing")
    return Leftover(part, True, "of unknown origin, and it has not grown for a day")


def _judge_ours(part: StoredFile, execution: BackupExecution, now: datetime) -> Leftover:
    if execution.is_active:
        return Leftover(part, False, f"backup {execution.pk} is {execution.status}")
    ended = execution.completed_at or execution.created_at
    if now - ended <= PATIENCE:
        return Leftover(part, False, f"backup {execution.pk} ended less than a day ago")
    return Leftover(part, True, f"backup {execution.pk} ended more than a day ago")
