"""Backups whose archive is gone, damaged everywhere, or without a copy that it was made with, counted by instance."""

from dataclasses import dataclass, field

from django.db.models import Count

from backups.models import BackupExecution
from backups.models.querysets import LACKS_A_COPY


@dataclass(frozen=True, slots=True)
class Flaws:
    """How many backups of each instance have no archive left, only damaged ones, or lack a copy.

    Instances without such a backup are left out.
    """

    missing: dict[str, int] = field(default_factory=dict)
    damaged: dict[str, int] = field(default_factory=dict)
    lacking: dict[str, int] = field(default_factory=dict)


# built once: their conditions are always the same
_COUNTED = [
    rows.order_by().values_list("instance").annotate(Count("pk"))
    for rows in (
        BackupExecution.objects.missing(),
        BackupExecution.objects.damaged(),
        BackupExecution.objects.filter(LACKS_A_COPY),
    )
]


def flaws() -> Flaws:
    """Return the flaws of all instances, also of those that are not watched, in three queries."""
    return Flaws(*(dict(sorted(rows.all())) for rows in _COUNTED))
