"""How well the restoring of each instance is proven, in a number of queries that does not grow with them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import OuterRef, Q, Subquery
from django.utils import timezone

from backups.instances import inventory
from backups.models import DrillExecution, InstanceState
from backups.runs.recovery.heartbeats import CLOCKS_DIFFER

Kind, Status, Verdict = DrillExecution.Kind, DrillExecution.Status, DrillExecution.Verdict
DECIDED = [Verdict.PASSED, Verdict.FAILED]
SORTS = {
    "drill": Q(kind=Kind.DRILL, verdict__in=DECIDED),
    "verification": Q(kind=Kind.VERIFICATION, verdict__in=DECIDED),
    # one that was cancelled is no trouble
    "trouble": Q(kind=Kind.DRILL, verdict=Verdict.NONE, status__in=[Status.FAILED, Status.INTERRUPTED]),
}
# a drill may wait for others of its queue, and takes its time
GRACE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DrillState:
    """`last` is the newest drill that came to a verdict, `failures` are the newest drill and the newest verification
    where they found the archive bad and that still stands, `trouble` is a later drill that came to no verdict.

    `every` is how often it is drilled by itself, None for never.
    """

    every: timedelta | None
    last: DrillExecution | None
    failures: tuple[DrillExecution, ...]
    trouble: DrillExecution | None

    def is_due(self, now: datetime, grace: timedelta = timedelta()) -> bool:
        if self.every is None:
            return False
        return self.last is None or now - self.last.created_at > self.every + grace

    @property
    def is_overdue(self) -> bool:
        return self.is_due(timezone.now(), GRACE)


def drills_every(instance: str) -> timedelta | None:
    """Return how often `instance` is drilled by itself: its own `drill_every_days`, else BACKUP_DRILL_EVERY_DAYS."""
    found = inventory().instances.get(instance)
    own = found.drill_every_days if found else None
    days = settings.BACKUP_DRILL_EVERY_DAYS if own is None else own
    return timedelta(days=days) if days else None


def drill_states(names: Sequence[str]) -> dict[str, DrillState]:
    drills: dict[str, DrillExecution] = {}
    verifications: dict[str, DrillExecution] = {}
    troubles: dict[str, DrillExecution] = {}
    for run in _newest(names, timezone.now()):
        found = troubles if run.verdict == Verdict.NONE else drills if run.kind == Kind.DRILL else verifications
        found[run.instance] = run
    return {
        name: DrillState(
            every=drills_every(name),
            last=drills.get(name),
            failures=tuple(run for found in (drills, verifications) if name in found and _stands(run := found[name])),
            trouble=_unless_outdated(troubles.get(name), drills.get(name)),
        )
        for name in names
    }


def _newest(names: Sequence[str], now: datetime) -> Iterable[DrillExecution]:
    """Return the newest run of each sort and instance, by one index seek for each that was ever drilled."""
    # one of a time when the clock was ahead would keep every later one out of sight
    dated = DrillExecution.objects.filter(created_at__lte=now + CLOCKS_DIFFER, instance=OuterRef("instance"))
    newest_first = dated.newest_first().values("pk")
    newest = {name: Subquery(newest_first.filter(sort)[:1]) for name, sort in SORTS.items()}
    rows = InstanceState.objects.filter(instance__in=names).annotate(**newest).values_list(*newest)
    runs = DrillExecution.objects.filter(pk__in=[pk for row in rows for pk in row if pk is not None])
    return runs.select_related("execution").without_manifest()


def _stands(run: DrillExecution) -> bool:
    """True for a failure that no later look has refuted, of an archive that is still there."""
    backup = run.execution
    still = backup.drill_failed if run.kind == Kind.DRILL else backup.verification_failed
    return run.verdict == Verdict.FAILED and still and backup.has_archive


def _unless_outdated(trouble: DrillExecution | None, last: DrillExecution | None) -> DrillExecution | None:
    return None if trouble and last and last.created_at > trouble.created_at else trouble
