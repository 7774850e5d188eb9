"""The last days of each instance: whether a good backup was made, and whether a drill restored it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Count, Func, IntegerField, Max, Q
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone

from backups.models import BackupExecution, DrillExecution

Status = BackupExecution.Status
LAST = 30


class Outcome(StrEnum):
    """Of one day. The values are stable: pages have them."""

    PROVEN = "proven"
    GOOD = "good"
    FAILED = "failed"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Day:
    """`failures` counts runs that failed and backups that were found bad, `size_bytes` is of the largest archive."""

    date: date
    outcome: Outcome
    failures: int = 0
    size_bytes: int | None = None


class _DayNumber(Func):
    """The index of the last of `begins` that is not after a moment, found by halves.

    Thirty conditions of a Case cost the ORM longer to write than the database to answer. No moment may be before the
    first of them.
    """

    output_field = IntegerField()

    def __init__(self, moment: str, begins: tuple[datetime, ...]) -> None:
        super().__init__(moment)
        self.begins = begins

    def as_sql(  # type: ignore[override]  # it has no template
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any
    ) -> tuple[str, list[Any]]:
        column, _none = compiler.compile(self.get_source_expressions()[0])

        def halved(first: int, end: int) -> tuple[str, list[Any]]:
            if end - first == 1:
                return str(first), []
            middle = (first + end) // 2
            later, earlier = halved(middle, end), halved(first, middle)
            begin = connection.ops.adapt_datetimefield_value(self.begins[middle])
            return f"CASE WHEN {column} >= %s THEN {later[0]} ELSE {earlier[0]} END", [begin, *later[1], *earlier[1]]

        return halved(0, len(self.begins))


def days_of(names: Sequence[str], now: datetime, last: int = LAST) -> dict[str, list[Day]]:
    """Return the `last` days of each instance, the oldest first, in three queries.

    A day is one of the current time zone. A good backup counts on its day even where a rule deleted its archive since.
    """
    today = timezone.localdate(now)
    dates = [today - timedelta(days=age) for age in reversed(range(last))]
    begins = [timezone.make_aware(datetime.combine(day, time())) for day in dates]
    backups = BackupExecution.objects.without_safety().filter(instance__in=names, created_at__gte=begins[0])
    bad, proven = _verdicts(names, begins[0])
    number = _DayNumber("created_at", tuple(begins))
    ended = backups.filter(status__in=[Status.COMPLETED, Status.FAILED, Status.INTERRUPTED]).order_by()
    rows = ended.values_list("instance", number, "status").annotate(
        all=Count("pk"),
        bad=Count("pk", filter=Q(pk__in=bad)),
        proven=Count("pk", filter=Q(pk__in=proven)),
        size=Max("compressed_size_bytes", filter=~Q(pk__in=bad)),
    )
    good: dict[tuple[str, int], tuple[bool, int | None]] = {}
    failures: dict[tuple[str, int], int] = defaultdict(int)
    for name, index, status, count, of_bad, of_proven, size in rows:
        if status != Status.COMPLETED:
            failures[name, index] += count
            continue
        failures[name, index] += of_bad
        if count > of_bad:
            good[name, index] = bool(of_proven), size
    return {
        name: [_day(day, good.get((name, index)), failures[name, index]) for index, day in enumerate(dates)]
        for name in names
    }


def _day(day: date, good: tuple[bool, int | None] | None, failures: int) -> Day:
    if good is not None:
        is_proven, size = good
        return Day(day, Outcome.PROVEN if is_proven else Outcome.GOOD, failures, size)
    return Day(day, Outcome.FAILED if failures else Outcome.NONE, failures)


def _verdicts(names: Sequence[str], since: datetime) -> tuple[list[str], list[str]]:
    """Return the backups made since then that are known to be bad, and those that a drill restored."""
    drills = DrillExecution.objects.filter(instance__in=names, created_at__gte=since, execution__created_at__gte=since)
    decided = drills.exclude(verdict="").order_by("created_at", "pk")
    # a later verdict replaces an earlier one
    newest = {
        (backup, kind): verdict for backup, kind, verdict in decided.values_list("execution_id", "kind", "verdict")
    }
    bad = {backup for (backup, _), verdict in newest.items() if verdict == DrillExecution.Verdict.FAILED}
    proven = [backup for (backup, kind), _ in newest.items() if kind == DrillExecution.Kind.DRILL and backup not in bad]
    # few in all: asked for those of the last days only, SQLite reads these along another index
    lost = BackupExecution.objects.missing().order_by().values_list("pk")
    gone = lost.union(BackupExecution.objects.damaged().order_by().values_list("pk"))
    return sorted({*bad, *(pk for (pk,) in gone)}), sorted(proven)
