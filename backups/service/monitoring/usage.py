"""How much lies at each destination, and in which condition: from one index of the copies."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from django.db.models import Count, Max, Q, Sum

from backups.models import BackupCopy

State = BackupCopy.State
# those of `BackupCopy.condition`, without "deleted"
CONDITIONS = (State.WAITING, State.UPLOADING, State.STORED, State.FAILED, "missing", "damaged")
# how old the numbers of `recent_usage` may be
KEPT_FOR = timedelta(minutes=5)


@dataclass(slots=True)
class Usage:
    """`size_bytes` are those of stored archives that are there; `locked_until` is when the last lock ends."""

    size_bytes: int = 0
    copies: Counter[str] = field(default_factory=Counter)
    locked_until: datetime | None = None


def usage_by_destination() -> dict[str, Usage]:
    """Return what lies at each destination with a copy, by its id, in one query that reads an index and no row."""
    found: dict[str, Usage] = {}
    rows = BackupCopy.objects.exclude(state=State.DELETED).order_by()
    marked = rows.annotate(is_missing=Q(missing_at__isnull=False), is_damaged=Q(damaged_at__isnull=False))
    groups = marked.values_list("destination", "state", "is_missing", "is_damaged")
    sums = groups.annotate(number=Count("*"), size=Sum("size_bytes"), until=Max("locked_until"))
    for pk, state, is_missing, is_damaged, number, size, until in sums:
        usage = found.setdefault(pk, Usage())
        condition = state
        if state == State.STORED and (is_missing or is_damaged):
            condition = "missing" if is_missing else "damaged"
        usage.copies[condition] += number
        if state == State.STORED and not is_missing:
            usage.size_bytes += size or 0
            usage.locked_until = max(filter(None, [usage.locked_until, until]), default=None)
    return found


_lock = Lock()
_kept: tuple[datetime, dict[str, Usage]] | None = None


def recent_usage(now: datetime) -> dict[str, Usage]:
    """Return `usage_by_destination` as it was at most KEPT_FOR ago: with many copies it takes a part of a second."""
    global _kept
    with _lock:
        if _kept is None or not timedelta() <= now - _kept[0] < KEPT_FOR:
            _kept = now, usage_by_destination()
        return _kept[1]


def forget() -> None:
    """Read the copies anew at the next `recent_usage`."""
    global _kept
    _kept = None
