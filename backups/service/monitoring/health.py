"""The health of the site: the verdicts on its instances, and whether its own work goes on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from backups.instances import inventory
from backups.models.querysets import BackupQuerySet
from backups.runs.describe import iso
from backups.service.monitoring.verdict import (
    Level,
    Reason,
    Verdict,
    describe_reason,
    describe_verdict,
    site_reasons,
    verdicts,
    worst,
)
from backups.version import VERSION

# without a worker no backup is made, however good those are that were made
STOPPED = frozenset({"worker-silent"})


@dataclass(frozen=True, slots=True)
class Health:
    at: datetime
    verdicts: Sequence[Verdict]
    site: Sequence[Reason]

    @property
    def level(self) -> Level:
        return worst([*(verdict.level for verdict in self.verdicts), *(reason.level for reason in self.site)])

    @property
    def is_failing(self) -> bool:
        """True while an instance is unprotected by a reason that no person accepted, or the site does not work."""
        reasons = [*self.site, *(reason for verdict in self.verdicts for reason in verdict.open_reasons)]
        return any(is_urgent(reason) for reason in reasons)


def health(backups: BackupQuerySet | None = None) -> Health:
    """Return the health as the rows and the clock say now, in a constant number of queries.

    `backups` selects the columns of the rows, as in `verdicts`.
    """
    judged = verdicts(backups=backups)
    return Health(timezone.now(), judged, site_reasons(judged))


def is_urgent(reason: Reason) -> bool:
    return reason.level is Level.UNPROTECTED or reason.code in STOPPED


def describe_health(health: Health) -> dict[str, Any]:
    """Return the details as /health answers them; times in ISO 8601."""
    # read once: each time it looks whether the file has changed
    instances = inventory().instances
    return {
        **describe_status(health),
        "at": health.at.isoformat(),
        "version": VERSION,
        "site": [described(reason) for reason in health.site],
        "instances": [
            {
                **describe_verdict(verdict, instances),
                "proven_until": iso(verdict.facts.proven_until),
                "reasons": [described(reason) for reason in verdict.reasons],
            }
            for verdict in health.verdicts
        ],
    }


def describe_status(health: Health) -> dict[str, Any]:
    """Return what an allowed address sees: no name and no reason."""
    return {"status": "failing" if health.is_failing else "ok", "level": health.level.value}


def described(reason: Reason) -> dict[str, Any]:
    return describe_reason(reason) | {"urgent": is_urgent(reason)}
