"""What became of the runs of the last 24 hours: done, failed, missed, and refused with the reason."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Count, Exists, F, OuterRef, Q
from django.utils import timezone

from backups.models import BackupExecution, BackupSchedule, RestoreExecution, Run
from backups.runs.queue.queues import queue_of
from backups.runs.registry import kinds
from backups.service.monitoring.coming.slots import HORIZON, slots_between, spec_of
from backups.service.schedules.describe import cadence_in_words
from destinations.lib.formats import counted, listed

Status = Run.Status
# of slots that have no run: no tick started them, or the run could not be created
MISSED, REFUSED = "missed", "refused"
OTHERS = (Status.CANCELLED, Status.RUNNING, Status.QUEUED)
TITLES = {"backup": "Backups", "restore": "Restores", "drill": "Drills and verifications", "copy": "Copies"}
BY_HAND = {"backup": "without a schedule"}
# of each kind of run, and of slots without one; the rest are counted
MOST_TROUBLES = 50
# a slot that is so old was not started by any tick, and a queued backup that covers it was queued before
MISSED_AFTER = timedelta(minutes=5)
# a backup that was queued longer before the first slot is not looked for
WAITED = timedelta(hours=6)


@dataclass(slots=True, eq=False)
class PastGroup:
    """Runs of one sort in one queue: of a cadence, with the names of its schedules, or those that persons started."""

    noun: str
    queue: str
    cadence: str
    names: set[str] = field(default_factory=set)
    instances: set[str] = field(default_factory=set)
    # by status, and "missed" and "refused"
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, what: str, number: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + number

    @property
    def done(self) -> int:
        return self.counts.get(Status.COMPLETED, 0)

    @property
    def failed(self) -> int:
        return self.counts.get(Status.FAILED, 0) + self.counts.get(Status.INTERRUPTED, 0)

    @property
    def missed(self) -> int:
        return self.counts.get(MISSED, 0)

    @property
    def refused(self) -> int:
        return self.counts.get(REFUSED, 0)

    @property
    def is_troubled(self) -> bool:
        return bool(self.failed or self.missed or self.refused)

    @property
    def title(self) -> str:
        return f"{TITLES[self.noun]} {self.cadence or BY_HAND.get(self.noun, '')}".strip()

    @property
    def others(self) -> str:
        """Return in words what neither has been done nor went wrong."""
        return listed([f"{number:,} {what}" for what, number in sorted(self.counts.items()) if what in OTHERS])

    @property
    def sorted_names(self) -> list[str]:
        return sorted(self.names)

    @property
    def sorted_instances(self) -> list[str]:
        return sorted(self.instances)


@dataclass(frozen=True, slots=True)
class Trouble:
    """One run that failed, or slots that were missed or refused. `run` is None where there is no run."""

    what: str
    instance: str
    schedule: str
    at: datetime
    reason: str
    hint: str = ""
    count: int = 1
    run: Run | None = None

    @property
    def title(self) -> str:
        slots = f" {counted(self.count, 'slot')}" if self.count > 1 else ""
        noun = f"{self.run.label.capitalize()} " if self.run is not None else ""
        return f"{noun}{self.what}{slots}".capitalize()


@dataclass(frozen=True, slots=True)
class Past:
    """`troubles` are the newest, at most `MOST_TROUBLES` of each kind of run and of slots; the groups count all."""

    since: datetime
    until: datetime
    groups: list[PastGroup]
    troubles: list[Trouble]


def past_runs(now: datetime | None = None, *, with_restores: bool = True) -> Past:
    """Return what became of the runs of the last 24 hours, in a constant number of queries."""
    now = now or timezone.now()
    since = now - HORIZON
    schedules = {row.pk: row for row in BackupSchedule.objects.exclude(instance="")}
    groups: dict[tuple[object, ...], PastGroup] = {}
    troubles: list[Trouble] = []

    def group_of(noun: str, instance: str, schedule: BackupSchedule | None) -> PastGroup:
        queue, spec = queue_of(instance), spec_of(schedule) if schedule is not None else None
        group = groups.get((queue, noun, spec))
        if group is None:
            words = cadence_in_words(*spec) if spec is not None else ""
            group = groups[queue, noun, spec] = PastGroup(noun, queue, words)
        group.instances.add(instance)
        group.names |= {schedule.name} if schedule is not None else set()
        return group

    for kind in kinds():
        if kind.model is RestoreExecution and not with_restores:
            continue
        columns = ["instance", "status", *(["schedule_id"] if kind.model is BackupExecution else [])]
        rows = kind.model.objects.filter(created_at__gte=since, created_at__lte=now).order_by()
        for instance, status, *schedule_id, number in rows.values_list(*columns).annotate(number=Count("pk")):
            schedule = schedules.get(schedule_id[0]) if schedule_id and schedule_id[0] else None
            group_of(kind.noun, instance, schedule).add(status, number)
        failed = rows.filter(status__in=[Status.FAILED, Status.INTERRUPTED]).order_by("-created_at")
        troubles += [_failed(run, schedules) for run in failed.select_related(None).without_manifest()[:MOST_TROUBLES]]
    refused = _refused(schedules, since, now)
    silent = []
    for schedule, missing in _without_run(schedules.values(), since, now):
        if schedule.pk in refused:
            group_of("backup", schedule.instance, schedule).add(REFUSED, len(missing))
            at, why = schedule.last_run or now, schedule.last_error
            silent.append(Trouble(REFUSED, schedule.instance, schedule.name, at, why, count=len(missing)))
            continue
        group_of("backup", schedule.instance, schedule).add(MISSED, len(missing))
        silent.append(Trouble(MISSED, schedule.instance, schedule.name, missing[-1], "", count=len(missing)))
    troubles += sorted(silent, key=lambda one: one.at, reverse=True)[:MOST_TROUBLES]
    ordered = sorted(groups.values(), key=lambda group: (not group.is_troubled, group.queue, group.noun, group.cadence))
    return Past(since, now, ordered, sorted(troubles, key=lambda one: one.at, reverse=True))


def _failed(run: Run, schedules: dict[str, BackupSchedule]) -> Trouble:
    schedule = schedules.get(getattr(run, "schedule_id", None) or "")
    name = schedule.name if schedule is not None else ""
    return Trouble(run.status, run.instance, name, run.created_at, run.error_message, run.error_hint, run=run)


def _refused(schedules: dict[str, BackupSchedule], since: datetime, now: datetime) -> set[str]:
    """Return the schedules whose last run could not be started: it has no row, and the schedule has the reason."""
    failed = [row.pk for row in schedules.values() if row.last_status == Status.FAILED and row.last_run is not None]
    # the result of a run leaves the time of that run there
    moment = OuterRef("last_run")
    recorded = BackupExecution.objects.filter(
        Q(started_at=moment) | Q(started_at=None, created_at=moment), schedule=OuterRef("pk")
    )
    found = BackupSchedule.objects.filter(~Exists(recorded), pk__in=failed, last_run__range=(since, now))
    return set(found.values_list("pk", flat=True))


def _without_run(
    schedules: Iterable[BackupSchedule], since: datetime, now: datetime
) -> list[tuple[BackupSchedule, list[datetime]]]:
    """Return the slots of enabled schedules that have no run, and that no queued backup covered."""
    expected: dict[str, list[datetime]] = {}
    rows: dict[str, BackupSchedule] = {}
    for schedule in schedules:
        begin = max(since, schedule.active_since)
        slots = slots_between(spec_of(schedule), begin, now - MISSED_AFTER) if schedule.enabled else []
        if slots:
            expected[schedule.pk], rows[schedule.pk] = slots, schedule
    runs = BackupExecution.objects.filter(created_at__gte=since, scheduled_for__gt=since).order_by()
    # those from before a change of the cadence were not expected
    runs = runs.filter(scheduled_for__lte=now - MISSED_AFTER, scheduled_for__gte=F("schedule__active_since"))
    # each slot has one first attempt; grouped by SQLite, it would read the slots of the whole history
    numbers = Counter(runs.filter(attempt=1).values_list("schedule_id", flat=True))
    short = [pk for pk, slots in expected.items() if numbers[pk] < len(slots)]
    started: dict[str, set[datetime]] = {}
    waiting: dict[str, list[tuple[datetime, datetime]]] = {}
    details = BackupExecution.objects.filter(schedule__in=short, created_at__gte=since - WAITED).order_by()
    for pk, slot, created, began in details.values_list("schedule_id", "scheduled_for", "created_at", "started_at"):
        started.setdefault(pk, set()).add(slot or created)
        waiting.setdefault(pk, []).append((created, began or now))
    found = []
    for pk in short:
        spans = waiting.get(pk, [])
        missing = [
            slot
            for slot in expected[pk]
            if slot not in started.get(pk, set())
            and not any(created <= slot + MISSED_AFTER and began >= slot for created, began in spans)
        ]
        if missing:
            found.append((rows[pk], missing))
    return found
