"""How long backups and drills of each instance take, by the last ones, in a constant number of queries."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from statistics import median

from django.db.models import OuterRef, Subquery

from backups.models import BackupExecution, DrillExecution, InstanceState

LAST = 3


def backup_durations(names: Iterable[str]) -> dict[str, timedelta]:
    """Return the median duration of the last completed backups of each of `names` that has one."""
    done = (
        BackupExecution.objects.made_here().filter(instance=OuterRef("instance")).order_by("-started_at").values("pk")
    )
    # one index seek for each instance, whatever its history
    newest = {f"newest_{number}": Subquery(done[number : number + 1]) for number in range(LAST)}
    rows = InstanceState.objects.filter(instance__in=list(names)).annotate(**newest).values_list(*newest)
    keys = {pk for row in rows for pk in row if pk is not None}
    runs = BackupExecution.objects.filter(pk__in=keys).values_list("instance", "started_at", "completed_at")
    return _medians(runs)


def drill_durations(drills: Iterable[DrillExecution | None]) -> dict[str, timedelta]:
    """Return the duration of each of `drills`, by instance."""
    # not from the objects: their column would be read one by one
    keys = [run.pk for run in drills if run is not None]
    return _medians(DrillExecution.objects.filter(pk__in=keys).values_list("instance", "started_at", "completed_at"))


def _medians(runs: Iterable[tuple[str, datetime | None, datetime | None]]) -> dict[str, timedelta]:
    taken: dict[str, list[timedelta]] = {}
    for instance, began, ended in runs:
        # a clock that was put back in between measured nothing
        if began is not None and ended is not None and ended >= began:
            taken.setdefault(instance, []).append(ended - began)
    return {instance: _median(found) for instance, found in taken.items()}


def _median(found: Sequence[timedelta]) -> timedelta:
    return timedelta(seconds=median(one.total_seconds() for one in found))
