"""Is everything safe? How well every instance is protected, in a number of queries that does not grow with them."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from django.db.models import OuterRef, Subquery, TextField, Value
from django.db.models.fields.json import KT
from django.db.models.functions import NullIf
from django.utils import timezone

from backups.instances import instance_names
from backups.models import BackupExecution, InstanceState
from backups.models.querysets import BackupQuerySet
from backups.runs.recovery.heartbeats import CLOCKS_DIFFER
from backups.service.drops.episodes import Episode, open_episodes
from backups.service.schedules.freshness import Outlook, outlooks

Status = BackupExecution.Status
# SQLite gives the text of a JSON null
CONFIG_HASH = NullIf(KT("manifest_json__config_info__config_hash"), Value("null", TextField()))
FRESH = timedelta(hours=24)


class Condition(Enum):
    """In the order of urgency."""

    NEVER = "never"
    LATE = "late"
    FAILING = "failing"
    DROPPED = "dropped"
    SAFE = "safe"


@dataclass(frozen=True, slots=True)
class Protection:
    """`good` is the newest execution whose archive is there, and which no drill or verification found to be bad;
    `failure` is the newest one that failed after it.

    `drifted` when the configuration last seen is another than the one in `good`. `episode` is there while the newest
    backup lacks data that no person has confirmed to be gone on purpose.
    """

    name: str
    condition: Condition
    good: BackupExecution | None
    failure: BackupExecution | None
    active: BackupExecution | None
    outlook: Outlook
    drifted: bool
    episode: Episode | None = None

    @property
    def destination_id(self) -> str | None:
        """Where this instance was backed up to most recently."""
        newest = max(_present(self.good, self.failure, self.active), key=lambda found: found.created_at, default=None)
        return newest.destination_id if newest else None


def protections(executions: BackupQuerySet | None = None, names: Sequence[str] | None = None) -> list[Protection]:
    """Return how well each instance is protected: those of `names`, or all that can be backed up, by name.

    `executions` may bring more columns. A good backup is fresh while its data is no older than the schedules of the
    instance promise; 24 hours where none promises anything.
    """
    if executions is None:
        executions = BackupExecution.objects.without_manifest()
    names, now = instance_names() if names is None else names, timezone.now()
    schedules, seen, episodes = outlooks(names), _configurations_seen(names), open_episodes(names)
    # an adopted archive whose date nobody can rely on has none
    # and one of a time when the clock was ahead would look fresh until that time has come
    dated = BackupExecution.objects.good().filter(started_at__isnull=False, started_at__lte=now + CLOCKS_DIFFER)
    good = _newest(executions.annotate(config_hash=CONFIG_HASH), names, seen, dated)
    failed = _newest(executions, names, seen, BackupExecution.objects.filter(status=Status.FAILED))
    interrupted = _newest(executions, names, seen, BackupExecution.objects.filter(status=Status.INTERRUPTED))
    active = _active(executions, names)
    return [
        _protection(
            name,
            good.get(name),
            _later(failed.get(name), interrupted.get(name)),
            active.get(name),
            schedules.get(name, Outlook()),
            seen.get(name, ""),
            episodes.get(name),
            now,
        )
        for name in names
    ]


def taken_at(execution: BackupExecution) -> datetime:
    """Return the moment whose data the archive holds."""
    return execution.started_at or execution.created_at


def _newest(
    executions: BackupQuerySet, names: Sequence[str], known: Container[str], candidates: BackupQuerySet
) -> dict[str, BackupExecution]:
    """Return the newest of `candidates` of each instance, by one index seek for each instead of reading the history.

    The rows have the columns of `executions`. `known` are those that have an InstanceState, as all have since their
    first run: the seeks follow its rows. The others, of which nothing is there but adopted archives, are written into
    the query one by one, which takes longer.
    """
    newest_first = candidates.newest_first().values("pk")
    newest = Subquery(newest_first.filter(instance=OuterRef("instance"))[:1])
    rows = InstanceState.objects.filter(instance__in=names)
    found = list(executions.filter(pk__in=rows.annotate(newest=newest).values("newest")))
    seeks = [Subquery(newest_first.filter(instance=name)[:1]) for name in names if name not in known]
    if seeks:
        found += executions.filter(pk__in=seeks)
    return {execution.instance: execution for execution in found}


def _active(executions: BackupQuerySet, names: Sequence[str]) -> dict[str, BackupExecution]:
    """Return the running execution of each instance, or else the one that waits longest."""
    active: dict[str, BackupExecution] = {}
    for execution in executions.active().filter(instance__in=names).order_by("created_at"):
        if execution.status == Status.RUNNING or execution.instance not in active:
            active[execution.instance] = execution
    return active


def _protection(
    name: str,
    good: BackupExecution | None,
    failure: BackupExecution | None,
    active: BackupExecution | None,
    outlook: Outlook,
    config_hash: str,
    episode: Episode | None,
    now: datetime,
) -> Protection:
    if good is not None and failure is not None and _later(good, failure) is good:
        failure = None
    if good is None:
        condition = Condition.NEVER
    elif now - taken_at(good) > (outlook.promise or FRESH):
        condition = Condition.LATE
    elif failure is not None:
        condition = Condition.FAILING
    else:
        condition = Condition.SAFE if episode is None else Condition.DROPPED
    return Protection(name, condition, good, failure, active, outlook, _drifted(good, config_hash), episode)


def _configurations_seen(names: Sequence[str]) -> dict[str, str]:
    """Return the hash of each configuration as the watch saw it last, so that no page has to read 200 files."""
    return dict(InstanceState.objects.filter(instance__in=names).values_list("instance", "config_hash"))


def _drifted(good: BackupExecution | None, seen: str) -> bool:
    """Only beside a backup of ours: other software may make that hash in another way."""
    if good is None or good.adopted or not seen:
        return False
    backed_up = getattr(good, "config_hash", None)
    return bool(backed_up) and backed_up != seen


def _later(one: BackupExecution | None, other: BackupExecution | None) -> BackupExecution | None:
    return max(_present(one, other), key=lambda found: found.completed_at or found.created_at, default=None)


def _present(*executions: BackupExecution | None) -> Iterable[BackupExecution]:
    return (execution for execution in executions if execution is not None)
