"""Sizes and record counts of the components of an instance over time, from the rows alone."""

from dataclasses import dataclass
from datetime import datetime

from backups.models import BackupExecution
from backups.models.querysets import FLAWLESS

# a backup a day for two months
LAST = 60


@dataclass(frozen=True, slots=True)
class Point:
    """What one component held in one backup.

    `rows` is None without a database, or where its rows could not be counted; `files` is None without a folder.
    """

    backup: str
    taken_at: datetime
    component: str
    rows: int | None
    files: int | None
    bytes: int


def series_of(instance: str, last: int = LAST) -> list[Point]:
    """Return the amounts of the last good backups of `instance`, oldest first, in one query.

    Backups whose archive is deleted by now count too: the history is longer than what a rule keeps. So do those with
    a drop that is not confirmed. Safety backups do not: they are of a state that a restore replaced.
    """
    rows = BackupExecution.objects.completed().of_instance(instance).filter(FLAWLESS, started_at__isnull=False)
    newest = rows.without_safety().newest_first().only("pk", "started_at", "amounts")[:last]
    return [
        Point(row.pk, row.started_at, **amount)
        for row in reversed(newest)
        if row.started_at is not None
        for amount in row.amounts or []
    ]
