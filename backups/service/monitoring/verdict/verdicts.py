"""The verdicts as pages, commands, the API, metrics and alarms take them."""

from collections.abc import Sequence

from django.utils import timezone

from backups.models.querysets import BackupQuerySet
from backups.service.monitoring.verdict.facts import facts_of
from backups.service.monitoring.verdict.judge import Verdict, judge


def verdicts(names: Sequence[str] | None = None, *, backups: BackupQuerySet | None = None) -> list[Verdict]:
    """Return the verdict on each instance of `names`, by default on all that are watched.

    The number of queries is constant. `backups` selects the columns of the rows, as in `facts_of`.
    """
    now = timezone.now()
    return [judge(facts, now) for facts in facts_of(names, backups=backups)]
