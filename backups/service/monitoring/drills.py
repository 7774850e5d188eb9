"""State of the drills and verifications of each instance, in a constant number of queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from backups.instances import Instance, inventory
from backups.models import BackupCopy, BackupExecution, DrillExecution, InstanceState
from backups.runs.recovery.heartbeats import CLOCK_SKEW

Kind, Status, Verdict = DrillExecution.Kind, DrillExecution.Status, DrillExecution.Verdict
DECIDED = [Verdict.PASSED, Verdict.FAILED]
# the method, and the sorted recipients
Encrypted = tuple[str, list[str]]
# how old a backup may have been when it was drilled, to count as one of the newest; the newest one always does
RECENT = timedelta(days=31)
# of those that a regular drill chooses from: it must not choose one that proves nothing, again and again
_NEWER = (
    BackupExecution.objects.good()
    .without_safety()
    .filter(
        instance=OuterRef("instance"),
        created_at__gt=OuterRef("execution__created_at"),
        created_at__lt=OuterRef("created_at"),
    )
)
_PASSED = Q(kind=Kind.DRILL, verdict=Verdict.PASSED, execution__started_at__isnull=False)
SORTS = {
    "drill": Q(kind=Kind.DRILL, verdict__in=DECIDED),
    "verification": Q(kind=Kind.VERIFICATION, verdict__in=DECIDED),
    # whether it is a proof is looked at afterwards: nearly all are, and SQLite calls Python for each sum of dates
    "passed": _PASSED,
    # a cancelled drill is not among them: an operator ended it on purpose
    "trouble": Q(kind=Kind.DRILL, verdict=Verdict.NONE, status__in=[Status.FAILED, Status.INTERRUPTED]),
}
# a drill of an old backup, or of one whose age is not known, does not show that the new ones restore
PROOF = _PASSED & (Q(execution__created_at__gte=F("created_at") - RECENT) | ~Q(Exists(_NEWER)))
# what pages and verdicts read of a drill and its backup: a row of both has ninety columns
COLUMNS = (
    *("instance", "kind", "status", "verdict", "seconds", "findings", "created_at", "completed_at"),
    *("error_message", "error_hint", "execution__instance", "execution__kind", "execution__status"),
    *("execution__backup_filename", "execution__compressed_size_bytes", "execution__drill", "execution__verification"),
    *("execution__created_at", "execution__started_at", "execution__deleted_at", "execution__missing_at"),
)
# a drill waits for others of its queue, and may take hours
GRACE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DrillState:
    """`last` is the newest drill with a verdict; `every` is the interval of regular drills, None when they are off.

    `failures` are the newest drill and the newest verification, where they found the archive bad and no later one
    passed. `trouble` is a drill without a verdict that is newer than `last`. `proof` is the newest drill that passed,
    of one of the newest backups at that time. `put_off` is why one that is due waits.
    """

    every: timedelta | None
    last: DrillExecution | None
    failures: tuple[DrillExecution, ...]
    trouble: DrillExecution | None
    proof: DrillExecution | None = None
    put_off: str = ""

    def is_due(self, now: datetime, grace: timedelta = timedelta()) -> bool:
        if self.every is None:
            return False
        last = self._counted_from
        return last is None or now - last.created_at > self.every + grace

    def due_at(self, now: datetime) -> datetime | None:
        """Return when the next regular drill becomes due, `now` where none was made; None when they are off."""
        if self.every is None:
            return None
        last = self._counted_from
        return now if last is None else last.created_at + self.every

    @property
    def _counted_from(self) -> DrillExecution | None:
        # one that failed is not made again at once; the next backup may be as bad
        return self.last if self.last is not None and self.last.verdict == Verdict.FAILED else self.proof

    @property
    def is_overdue(self) -> bool:
        return self.is_due(timezone.now(), GRACE)


def drills_every(instance: str) -> timedelta | None:
    """Return the interval of regular drills: `drill_every_days` of the instance, or BACKUP_DRILL_EVERY_DAYS."""
    return _drills_every(inventory().instances.get(instance))


def _drills_every(found: Instance | None) -> timedelta | None:
    own = found.drill_every_days if found else None
    days = settings.BACKUP_DRILL_EVERY_DAYS if own is None else own
    return timedelta(days=days) if days else None


def drill_states(names: Sequence[str]) -> dict[str, DrillState]:
    drills: dict[str, DrillExecution] = {}
    verifications: dict[str, DrillExecution] = {}
    troubles: dict[str, DrillExecution] = {}
    found_rows = _newest(SORTS, InstanceState.objects.of_instances(names))
    put_off = {name: why for name, why, *_ in found_rows}
    runs = _runs({pk for _, _, *pks in found_rows for pk in pks})
    column = list(SORTS).index("passed")
    proofs = _proofs({name: runs[pks[column]] for name, _, *pks in found_rows if pks[column] in runs})
    others = {pk for _, _, *pks in found_rows for index, pk in enumerate(pks) if index != column}
    for run in (runs[pk] for pk in others if pk in runs):
        found = troubles if run.verdict == Verdict.NONE else drills if run.kind == Kind.DRILL else verifications
        found[run.instance] = run
    states, instances, now = {}, inventory().instances, timezone.now()
    for name in names:
        failures = []
        for found in (drills, verifications):
            if name not in found or found[name].verdict != Verdict.FAILED:
                continue
            run, backup = found[name], found[name].execution
            # the flag of the backup is cleared when a later drill or verification passes
            failed = backup.drill_failed if run.kind == Kind.DRILL else backup.verification_failed
            if failed and backup.has_archive:
                failures.append(run)
        last, trouble = drills.get(name), troubles.get(name)
        # a drill with a verdict after it: whatever was wrong is over
        if last is not None and trouble is not None and last.created_at > trouble.created_at:
            trouble = None
        every = _drills_every(instances.get(name))
        state = DrillState(every, last, tuple(failures), trouble, proofs.get(name))
        # of the regular drills that are switched off, or of one that an operator made meanwhile, it is outdated
        states[name] = replace(state, put_off=put_off.get(name, "") if state.is_due(now) else "")
    return states


def _newest(sorts: Mapping[str, Q], states: QuerySet[InstanceState]) -> list[tuple[Any, ...]]:
    """Return for each of `states` its name, why its drill was put off, and the id of its newest drill of each sort."""
    # a run created while the clock was ahead would hide every later one
    dated = DrillExecution.objects.filter(created_at__lte=timezone.now() + CLOCK_SKEW, instance=OuterRef("instance"))
    newest_first = dated.newest_first().values("pk")
    # by one index seek for each that was ever drilled
    newest = {name: Subquery(newest_first.filter(sort)[:1]) for name, sort in sorts.items()}
    return list(states.annotate(**newest).values_list("instance", "drill_put_off", *newest))


def _runs(ids: set[str | None]) -> dict[str, DrillExecution]:
    rows = DrillExecution.objects.filter(pk__in=ids - {None}).select_related("execution").only(*COLUMNS)
    return {run.pk: run for run in rows.order_by()}


def _proofs(passed: Mapping[str, DrillExecution]) -> dict[str, DrillExecution]:
    """Return the newest proof of each instance; `passed` has the newest drill of each that passed."""
    proofs = {name: run for name, run in passed.items() if run.execution.created_at >= run.created_at - RECENT}
    if len(proofs) < len(passed):
        rows = _newest({"proof": PROOF}, InstanceState.objects.filter(instance__in=passed.keys() - proofs.keys()))
        runs = _runs({pk for _, _, pk in rows})
        proofs |= {name: runs[pk] for name, _, pk in rows if pk in runs}
    return proofs


def opened_by(drills: Sequence[DrillExecution]) -> dict[str, Encrypted]:
    """Return how the archive is encrypted that each of `drills` read, by instance; none where copies differ."""
    rows = BackupCopy.objects.filter(execution__in={run.execution_id for run in drills})
    rows = rows.filter(state__in=[BackupCopy.State.STORED, BackupCopy.State.DELETED])
    copies: dict[str, dict[str, Encrypted]] = {}
    for pk, name, method, recipients in rows.values_list("execution", "destination__name", "encryption", "recipients"):
        copies.setdefault(pk, {})[name] = method, sorted(recipients)
    found = {}
    for run in drills:
        own, name = copies.get(run.execution_id, {}), run.findings.get("destination", "")
        # an earlier release did not record which one it was
        read = [own[name]] if name in own else list(own.values())
        if read and all(one == read[0] for one in read):
            found[run.instance] = read[0]
    return found
