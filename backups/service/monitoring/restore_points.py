"""Restore points: the backups that can be restored, and those whose archive is missing or damaged."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min

from backups.models import BackupExecution

# beyond that a page says "more than": counting takes most of its time in a long history
MOST_COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class RestorePoints:
    """`number` good backups, the first of them of the time `oldest`.

    `missing` archives are gone from their destinations; of `damaged` ones no sound copy is left.
    """

    number: int
    oldest: datetime | None
    missing: int
    damaged: int


def restore_points_of(instance: str) -> RestorePoints:
    backups = BackupExecution.objects.of_instance(instance)
    found = backups.good().order_by().aggregate(count=Count("pk"), oldest=Min("created_at"))
    return RestorePoints(found["count"], found["oldest"], backups.missing().count(), backups.damaged().count())


def count_restore_points(instance: str = "") -> int:
    """Return how many backups can be restored, of `instance` or of all; at most one more than MOST_COUNTED."""
    backups = BackupExecution.objects.good()
    return (backups.of_instance(instance) if instance else backups).order_by()[: MOST_COUNTED + 1].count()
