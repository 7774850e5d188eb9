"""What is due in the next 24 hours, and how it fits into the slots of each queue."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heapreplace
from operator import attrgetter

from django.db.models import Exists, OuterRef
from django.utils import timezone

from backups.instances import instance_names
from backups.models import BackupExecution, BackupSchedule, InstanceState, NotificationChannel, Run
from backups.runs.queue.queues import queue_of
from backups.runs.registry import kind_named
from backups.service.monitoring.coming.durations import backup_durations, drill_durations
from backups.service.monitoring.coming.groups import (
    OVERLAPS_AFTER,
    Coming,
    Group,
    QueueOutlook,
    Sort,
    Unplanned,
)
from backups.service.monitoring.coming.slots import HORIZON, MOST, slots_between, spec_of
from backups.service.monitoring.drills import drill_states
from backups.service.monitoring.workers import worker_state
from backups.service.schedules.describe import cadence_in_words

# of all schedules; a run more costs about 3 µs
MOST_RUNS = 20_000
NO_TIME = timedelta()


@dataclass(frozen=True, slots=True)
class _Run:
    """One expected run: its slot, its instance and its group."""

    slot: datetime
    instance: str
    group: Group


def coming_runs(now: datetime | None = None) -> Coming:
    """Return what is due in the next 24 hours by queue, in a constant number of queries.

    Whoever shows it leaves out what the reader may not see.
    """
    now = now or timezone.now()
    until = now + HORIZON
    # one that covers several instances has no slots itself: each of its instances has a row
    schedules = list(
        BackupSchedule.objects.enabled().exclude(instance="").exclude(type=BackupSchedule.Type.MANUAL).order_by("name")
    )
    unplanned = [
        Unplanned(schedule.name, schedule.instance, schedule.last_error or "No next run was planned.")
        for schedule in schedules
        if schedule.next_run is None and schedule.retry_at is None
    ]
    under_way = list(BackupExecution.objects.active().order_by().only("instance", "status", "started_at", "created_at"))
    durations = backup_durations({row.instance for rows in (schedules, under_way) for row in rows})
    backups = _scheduled(schedules, now, until)
    drills, drill_times = _drills(now, until)
    runs: dict[str, tuple[list[_Run], list[_Run]]] = {}
    for number, some in enumerate((backups, drills)):
        for run in some:
            runs.setdefault(run.group.queue, ([], []))[number].append(run)
    hosts = Counter(queue for queue, _ in {(worker.queue, worker.host) for worker in worker_state().alive})
    outlooks = []
    for queue, (of_backups, of_drills) in sorted(runs.items()):
        slots = kind_named("backup").slots * max(1, hosts[queue])
        _fit(of_backups, slots, durations, now, [run for run in under_way if queue_of(run.instance) == queue])
        _fit(of_drills, 1, drill_times, now)
        needed = sum((durations.get(run.instance, NO_TIME) for run in of_backups), NO_TIME)
        groups = list(dict.fromkeys(run.group for run in (*of_backups, *of_drills)))
        groups.sort(key=lambda group: (group.first, group.sort, group.cadence))
        outlooks.append(QueueOutlook(queue, slots, groups, needed / (HORIZON * slots)))
    return Coming(now, until, outlooks, _digests(now, until), unplanned)


def _scheduled(schedules: Iterable[BackupSchedule], now: datetime, until: datetime) -> list[_Run]:
    """Return the runs of `schedules` in the order of their slots; those of one cadence and queue make one group."""
    groups: dict[tuple[object, ...], Group] = {}
    runs: list[_Run] = []
    for schedule in schedules:
        queue, spec = queue_of(schedule.instance), spec_of(schedule)
        slots: list[tuple[Sort, list[datetime]]] = []
        if schedule.next_run is not None and schedule.next_run <= until:
            # of several slots that are due one run is made
            later = slots_between(spec, max(schedule.next_run, now), until)
            slots.append((Sort.BACKUP, [schedule.next_run, *later]))
        if schedule.retry_at is not None and schedule.retry_at <= until:
            slots.append((Sort.RETRY, [schedule.retry_at]))
        for sort, moments in slots:
            key = (queue, sort, *spec, moments[0])
            group = groups.get(key)
            if group is None:
                words = cadence_in_words(*spec)
                group = groups[key] = Group(sort, queue, words, moments[0], moments[-1])
            group.names.append(schedule.name)
            group.instances.append(schedule.instance)
            group.is_cut |= len(moments) > MOST or len(runs) + len(moments) > MOST_RUNS
            for moment in moments[: max(1, MOST_RUNS - len(runs))]:
                runs.append(_Run(moment, schedule.instance, group))
                group.runs += 1
    return sorted(runs, key=attrgetter("slot"))


def _drills(now: datetime, until: datetime) -> tuple[list[_Run], dict[str, timedelta]]:
    """Return the regular drills that become due, in groups of an hour, and how long the last ones took."""
    groups: dict[tuple[str, datetime], Group] = {}
    runs: list[_Run] = []
    states = drill_states(instance_names())
    good = BackupExecution.objects.good().without_safety().filter(instance=OuterRef("instance"))
    # by one index seek for each instance
    known = InstanceState.objects.filter(Exists(good), instance__in=list(states))
    backed_up = set(known.values_list("instance", flat=True))
    for name, state in states.items():
        due = state.due_at(now)
        if due is None or due > until or name not in backed_up:
            continue
        due = max(due, now)
        hour = now if due == now else due.replace(minute=0, second=0, microsecond=0)
        queue = queue_of(name)
        group = groups.setdefault((queue, hour), Group(Sort.DRILL, queue, "regular drill", due, due))
        group.first, group.last = min(group.first, due), max(group.last, due)
        group.instances.append(name)
        group.runs += 1
        if state.put_off:
            group.notes.append(f"{name}: {state.put_off}")
        runs.append(_Run(due, name, group))
    runs.sort(key=attrgetter("slot"))
    return runs, drill_durations(state.proof or state.last for state in states.values())


def _fit(
    runs: Iterable[_Run],
    slots: int,
    durations: Mapping[str, timedelta],
    now: datetime,
    under_way: Iterable[BackupExecution] = (),
) -> None:
    """Put `runs`, in the order of their slots, into the `slots` of their queue, after what is `under_way`.

    Notes in each group which of them wait, and which take longer than until the next one of their instance.
    """
    free = [now] * slots
    free_again: dict[str, datetime] = {}
    # slot and begin of the run before it
    earlier: dict[tuple[int, str], tuple[datetime | None, datetime]] = {}

    def take(instance: str, ready: datetime, took: timedelta) -> timedelta:
        begins = max(ready, free[0], free_again.get(instance, ready))
        heapreplace(free, begins + took)
        free_again[instance] = begins + took
        return begins - ready

    for busy in sorted(under_way, key=lambda run: (run.status != Run.Status.RUNNING, run.created_at)):
        passed = now - busy.started_at if busy.status == Run.Status.RUNNING and busy.started_at else NO_TIME
        take(busy.instance, now, max(durations.get(busy.instance, NO_TIME) - passed, NO_TIME))
    for run in runs:
        group, took = run.group, durations.get(run.instance)
        if took is not None:
            group.longest = max(took, group.longest or NO_TIME)
        before, begins = earlier.get((id(group), run.instance), (None, now))
        if before is not None and begins > run.slot:
            # the one before still waits then, and no second one is queued
            group.covered += 1
            continue
        wait = take(run.instance, max(run.slot, now), took or NO_TIME)
        if wait >= OVERLAPS_AFTER:
            group.waits, group.wait = group.waits + 1, max(group.wait, wait)
        outlasts = before is not None and took is not None and took > run.slot - before
        if outlasts and run.instance not in group.outlasting:
            group.outlasting.append(run.instance)
        earlier[id(group), run.instance] = run.slot, max(run.slot, now) + wait


def _digests(now: datetime, until: datetime) -> list[Group]:
    channels = NotificationChannel.objects.filter(enabled=True, next_digest_at__lte=until).exclude(digest="")
    found = []
    for channel in channels.order_by("next_digest_at", "name"):
        at = max(channel.next_digest_at or now, now)
        found.append(Group(Sort.DIGEST, "", f"{channel.digest} digest", at, at, names=[channel.name], runs=1))
    return found
