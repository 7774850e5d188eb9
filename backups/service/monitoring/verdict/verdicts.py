"""The verdicts as pages, commands, the API, metrics and alarms take them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from django.utils import timezone

from backups.models import AcceptedReason, RestoreExecution
from backups.models.querysets import BackupQuerySet
from backups.service.monitoring.lacking import Flaws
from backups.service.monitoring.verdict.gather import facts_of
from backups.service.monitoring.verdict.judge import Verdict, judge
from backups.service.monitoring.verdict.level import Level
from backups.service.monitoring.verdict.reason import Acceptance, Reason


def verdicts(
    names: Sequence[str] | None = None,
    *,
    backups: BackupQuerySet | None = None,
    flaws: Flaws | None = None,
    half_restored: Sequence[RestoreExecution] | None = None,
) -> list[Verdict]:
    """Return the verdict on each instance of `names`, by default on all that are watched.

    The number of queries is constant. `backups` selects the columns of the rows, and `flaws` and `half_restored` were
    asked for already, as in `facts_of`.
    """
    now = timezone.now()
    found = facts_of(names, backups=backups, counts=flaws, half_restored=half_restored)
    return _with_accepted([judge(facts, now) for facts in found])


def today() -> date:
    """Return the day of the site, whatever time zone a person chose for pages."""
    return timezone.localdate(timezone=timezone.get_default_timezone())


def _with_accepted(judged: list[Verdict]) -> list[Verdict]:
    """Return the verdicts with the acceptances that have not expired, in one query."""
    names = {verdict.instance for verdict in judged}
    known = {
        (row.instance, row.key): Acceptance(row.text, row.until, row.by, row.created_at, Level(row.level))
        # there are few, and naming 200 instances costs more
        for row in AcceptedReason.objects.filter(until__gte=today())
        if row.instance in names
    }
    if not known:
        return judged
    return [
        replace(
            verdict,
            reasons=tuple(
                replace(reason, accepted=_covering(known.get((verdict.instance, reason.key)), reason))
                for reason in verdict.reasons
            ),
        )
        for verdict in judged
    ]


def _covering(accepted: Acceptance | None, reason: Reason) -> Acceptance | None:
    """Return the acceptance, unless the reason has become worse since then: whoever accepted it knew less."""
    return None if accepted is None or reason.level.exit_code > accepted.level.exit_code else accepted
