"""The newest backups of each instance and what its schedules demand, in a constant number of queries."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import OuterRef, Q, Subquery
from django.utils import timezone

from backups.instances import instance_names, inventory
from backups.models import BackupExecution, BackupSchedule, InstanceState
from backups.models.querysets import BackupQuerySet
from backups.runs.queue.queues import queue_of
from backups.runs.recovery.heartbeats import CLOCK_SKEW
from backups.service.drops.episodes import Episode, open_episodes
from backups.service.monitoring.history import instances_of
from backups.service.schedules.freshness import FRESH, GRACE, Freshness, at_the_latest, freshness_by_instance

Status = BackupExecution.Status
# what verdicts, their JSON and metrics read of a backup: there are hundreds of rows, and most columns are not needed
COLUMNS = (
    *("instance", "status", "kind", "adopted", "schedule_id", "destination_id", "backup_filename"),
    *("created_at", "started_at", "completed_at", "compressed_size_bytes", "size_bytes"),
    *("error_message", "error_hint"),
)
_NEWEST_FIRST = BackupExecution.objects.newest_first()
_GOOD = _NEWEST_FIRST.good().without_safety().filter(started_at__isnull=False).values("pk")
_FAILED = [_NEWEST_FIRST.filter(status=status).values("pk") for status in (Status.FAILED, Status.INTERRUPTED)]
# few rows: by one condition, SQLite would read all the others too
_ACTIVE = BackupExecution.objects.queued().order_by().values("pk")
_ACTIVE = _ACTIVE.union(BackupExecution.objects.running().order_by().values("pk"), all=True)


@dataclass(frozen=True, slots=True)
class Protection:
    """`good` is the newest backup that is stored, no safety backup, and not found bad by a drill or verification.

    `failure` is the newest backup that failed after it. `episode` is set while the newest backup lacks data, until an
    operator confirms that.
    """

    name: str
    good: BackupExecution | None
    failure: BackupExecution | None
    active: BackupExecution | None
    outlook: Freshness
    episode: Episode | None = None

    @property
    def overdue_from(self) -> datetime | None:
        """When the newest good backup is no longer fresh; None without one, where no schedule runs by itself."""
        if self.outlook.overdue_from is not None or self.good is None:
            return self.outlook.overdue_from
        return taken_at(self.good) + FRESH

    @property
    def destination_id(self) -> str | None:
        """The destination of the newest of its backups."""
        newest = max(_present(self.good, self.failure, self.active), key=lambda found: found.created_at, default=None)
        return newest.destination_id if newest else None


def protections(backups: BackupQuerySet | None = None, names: Sequence[str] | None = None) -> list[Protection]:
    """Return the protection of each instance of `names`, by default of all that are configured.

    `backups` selects the columns of the rows, by default COLUMNS. An instance is overdue when a slot of its schedules
    and the grace have passed since the newest good backup, or 24 hours where there is no automatic schedule. While its
    run waits in a queue that moves, and for an hour from its start, it is not yet, unless the slot after it passes too.
    """
    if backups is None:
        backups = BackupExecution.objects.only(*COLUMNS)
    names, now = instance_names() if names is None else names, timezone.now()
    episodes = open_episodes(names)
    newest_good, failed = _newest(names, now)
    good = {row.instance: row for ids in newest_good for row in backups.filter(pk__in=ids).order_by()}
    schedules = freshness_by_instance({name: taken_at(good[name]) if name in good else None for name in names})
    failures = _later(backups, failed, good, lacking=any(name not in good for name in names))
    # of each instance the running backup, or else the one that was queued first
    active: dict[str, BackupExecution] = {}
    # in that order, or with the names, SQLite would read the whole history
    for backup in sorted(backups.filter(pk__in=_ACTIVE.all()).order_by(), key=lambda row: (row.created_at, row.pk)):
        if backup.status == Status.RUNNING or backup.instance not in active:
            active[backup.instance] = backup
    _allow_for_queues(schedules, active, now)
    found = []
    for name in names:
        newest, failure = good.get(name), failures.get(name)
        outlook, episode = schedules.get(name, Freshness()), episodes.get(name)
        found.append(Protection(name, newest, failure, active.get(name), outlook, episode))
    return found


def _allow_for_queues(schedules: Mapping[str, Freshness], active: Mapping[str, BackupExecution], now: datetime) -> None:
    """Move `overdue_from` of the instances whose scheduled run has not had its hour yet.

    Two hundred slots at once take their turns: what waits behind others is not late while these are backed up.
    """
    late = {
        name: active[name]
        for name, outlook in schedules.items()
        if name in active
        and active[name].schedule_id is not None
        and outlook.overdue_from is not None
        and outlook.overdue_from < now
    }
    moving: set[str] = set()
    if any(run.status == Status.QUEUED for run in late.values()):
        moving = {queue_of(run.instance) for run in active.values() if run.status == Status.RUNNING}
        # between two runs of a worker
        since = min(run.created_at for run in late.values()) - timedelta(days=1)
        ended = BackupExecution.objects.filter(created_at__gt=since, completed_at__gt=now - GRACE)
        moving |= {queue_of(name) for name in ended.order_by().values_list("instance", flat=True).distinct()}
    for name, run in late.items():
        outlook = schedules[name]
        latest = at_the_latest(outlook)
        if latest is None or outlook.overdue_from is None:
            continue
        if run.status == Status.QUEUED and queue_of(name) in moving:
            outlook.overdue_from = latest
        elif run.status == Status.RUNNING and run.started_at is not None:
            outlook.overdue_from = max(outlook.overdue_from, min(run.started_at + GRACE, latest))


def undescribed_instances() -> list[str]:
    """Return the instances that have stored backups or enabled schedules but are not in the instances file.

    None while that file has errors, which are reported instead.
    """
    found = inventory()
    if found.file_problem is not None:
        return []
    known = {*found.instances, *(problem.instance for problem in found.problems)}
    schedules = BackupSchedule.objects.enabled().of_one_instance().exclude(instance__in=known)
    scheduled = schedules.order_by().values_list("instance")
    # one index seek for each: DISTINCT would read every row
    stored = BackupExecution.objects.stored().newest_first().values("pk")
    gone = [name for name in instances_of(BackupExecution) if name not in known]
    seeks = [Subquery(stored.filter(instance=name)[:1]) for name in gone]
    backed_up = BackupExecution.objects.filter(pk__in=seeks).order_by().values_list("instance")
    return sorted(name for (name,) in scheduled.union(backed_up))


def taken_at(backup: BackupExecution) -> datetime:
    """Return the time of the data in the archive."""
    return backup.started_at or backup.created_at


def _newest(names: Sequence[str], now: datetime) -> tuple[list[Any], list[Any]]:
    """Return the newest good backup of each instance, and its newest failed and interrupted ones.

    Each as lists of ids, and of seeks of them: one index seek for each.
    """
    found = list(InstanceState.objects.of_instances(names).values_list("instance", *_seeks(OuterRef("instance"), now)))
    good, failed = [[pk for _, pk, *_ in found if pk]], [[pk for _, _, *ids in found for pk in ids if pk]]
    # an instance gets a row with its first run; of one that has adopted archives only the seeks become a part of the
    # query, which is slower
    known = {name for name, *_ in found}
    others = [_seeks(name, now) for name in names if name not in known]
    if others:
        return [*good, [one for one, *_ in others]], [*failed, [seek for _, *seeks in others for seek in seeks]]
    return good, failed


def _seeks(name: str | OuterRef, now: datetime) -> tuple[Subquery, Subquery, Subquery]:
    """Return seeks of the newest good, the newest failed and the newest interrupted backup of the instance `name`."""
    # An adopted archive without a reliable date has none, and one of a time when the clock was ahead would count as
    # fresh until that time has come.
    # A safety backup is of the state that a restore was to replace.
    dated = _GOOD.filter(started_at__lte=now + CLOCK_SKEW, instance=name)
    failed, interrupted = (rows.filter(instance=name) for rows in _FAILED)
    return Subquery(dated[:1]), Subquery(failed[:1]), Subquery(interrupted[:1])


def _later(
    backups: BackupQuerySet, failed: Sequence[Any], good: Mapping[str, BackupExecution], *, lacking: bool
) -> dict[str, BackupExecution]:
    """Return the newest of the `failed` backups of each instance, where it ended after its newest good one.

    `failed` are lists of ids, and of seeks of them; with `lacking` an instance may have no good one.
    """
    newest: dict[str, tuple[datetime, str]] = {}
    # one that ended before the oldest good one counts for no instance that has one: most did
    ended = [backup.completed_at or backup.created_at for backup in good.values()]
    since = Q(completed_at__gt=min(ended)) | Q(completed_at=None) if ended and not lacking else Q()
    for one in failed:
        ends = BackupExecution.objects.filter(since, pk__in=one).order_by()
        for pk, name, completed_at, created_at in ends.values_list("pk", "instance", "completed_at", "created_at"):
            newest[name] = max(newest.get(name, (completed_at or created_at, pk)), (completed_at or created_at, pk))
    # most are over: only the rows that count are read in full
    later = [
        pk
        for name, (end, pk) in newest.items()
        if name not in good or end > (good[name].completed_at or good[name].created_at)
    ]
    return {backup.instance: backup for backup in backups.filter(pk__in=later).order_by()} if later else {}


def _present(*backups: BackupExecution | None) -> Iterable[BackupExecution]:
    return (backup for backup in backups if backup is not None)
