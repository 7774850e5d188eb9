"""How fast destinations fill up, from what was stored and deleted there in the last month. No destination is asked."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Sum, TextField, Value
from django.db.models.functions import Coalesce

from backups.models import BackupCopy
from destinations.models import BackupDestination

PERIOD = timedelta(days=30)
# beyond that the present rate says nothing
LONGEST = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Filling:
    """`daily_bytes` is the present rate, negative where more is deleted than stored.

    `days_left` is None where the free space is not known, or it does not get less.
    """

    destination: BackupDestination
    daily_bytes: int
    days_left: int | None


def fillings(destinations: list[BackupDestination], now: datetime) -> list[Filling]:
    """Return how each of `destinations` fills up, the first to be full first, in two queries that read an index."""
    since, net = now - PERIOD, Counter[str]()
    # not the column itself: grouped by that, SQLite reads all the copies along an index that begins with it
    copies = (
        BackupCopy.objects.order_by()
        .annotate(where=Coalesce("destination_id", Value("", TextField())))
        .values_list("where")
    )
    stored, deleted = copies.filter(stored_at__gte=since), copies.filter(deleted_at__gte=since)
    for rows, sign in ((stored, 1), (deleted, -1)):
        for pk, size in rows.annotate(size=Sum("size_bytes")):
            net[pk] += sign * (size or 0)
    found = [Filling(row, net[row.pk] // PERIOD.days, _days_left(row, net[row.pk])) for row in destinations]
    return sorted(found, key=lambda one: (one.days_left is None, one.days_left, one.destination.name))


def _days_left(row: BackupDestination, net: int) -> int | None:
    if row.free_bytes is None or net <= 0:
        return None
    return min(row.free_bytes * PERIOD.days // net, LONGEST.days)
