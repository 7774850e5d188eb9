"""Backups whose archive is gone, damaged everywhere, or without a copy that it was made with, counted by instance."""

from dataclasses import dataclass, field

from django.db.models import Count

from backups.models import BackupExecution
from backups.models.querysets import LACKS_A_COPY, BackupQuerySet


@dataclass(frozen=True, slots=True)
class Flaws:
    """How many backups of each instance have no archive left, only damaged ones, or lack a copy.

    Instances without such a backup are left out.
    """

    missing: dict[str, int] = field(default_factory=dict)
    damaged: dict[str, int] = field(default_factory=dict)
    lacking: dict[str, int] = field(default_factory=dict)


def flaws() -> Flaws:
    """Return the flaws of all instances, also of those that are not watched, in three queries."""
    backups = BackupExecution.objects
    lacking = backups.filter(LACKS_A_COPY)
    return Flaws(_by_instance(backups.missing()), _by_instance(backups.damaged()), _by_instance(lacking))


def _by_instance(rows: BackupQuerySet) -> dict[str, int]:
    return dict(sorted(rows.order_by().values_list("instance").annotate(Count("pk"))))
