"""Metrics of runs, queues and workers."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import product

from django.conf import settings
from prometheus_client import Metric

from backups.endpoints.collector.gauges import gauge
from backups.instances import inventory
from backups.models import Heartbeat, Run
from backups.runs.recovery.heartbeats import Kind, is_fresh
from backups.runs.registry import kinds

# Over all rows the numbers would cost as much as the history is long, and what was deleted long ago says nothing of
# today. With an alert on these, a failure is seen for a day.
WINDOW = timedelta(days=1)


def run_metrics(now: datetime) -> Iterator[Metric]:
    yield gauge(
        "runs_last_day",
        "Runs that were created in the last 24 hours.",
        ["run", "kind", "status"],
        [(labels, number) for labels, number in counted_runs(now).items()],
    )
    # no GROUP BY here and below: SQLite would read a whole index in its order, where this reads a few of its entries
    own = {name: instance.queue for name, instance in inventory().instances.items()}
    depth, oldest, running = Counter[tuple[str, str]](), dict[str, datetime](), Counter[tuple[str, str]]()
    names = {settings.BACKUP_QUEUE, *filter(None, own.values())}
    for kind in kinds():
        active = kind.model.objects.order_by()
        for instance, since in active.for_workers().values_list("instance", "created_at"):
            queue = own.get(instance) or settings.BACKUP_QUEUE
            depth[queue, kind.noun] += 1
            oldest[queue] = min(since, oldest.get(queue, since))
        for instance in active.running().values_list("instance", flat=True):
            running[own.get(instance) or settings.BACKUP_QUEUE, kind.noun] += 1
    each = sorted(product(names, [kind.noun for kind in kinds()]))
    yield gauge("queue_depth", "Runs that wait for a worker.", ["queue", "run"], [(key, depth[key]) for key in each])
    yield gauge(
        "queue_oldest_seconds",
        "How long the oldest of them waits; 0 for none.",
        ["queue"],
        [([name], (now - oldest.get(name, now)).total_seconds()) for name in sorted(names)],
    )
    yield gauge("running", "Runs that run.", ["queue", "run"], [(key, running[key]) for key in each])
    yield from _heartbeats(now)


def counted_runs(now: datetime) -> dict[tuple[str, str, str], int]:
    """Return the number of runs in the WINDOW by noun, kind and status, those that there are none of too."""
    found: dict[tuple[str, str, str], int] = {}
    for kind in kinds():
        model = kind.model
        has_kinds = hasattr(model, "Kind")
        names = model.Kind.values if has_kinds else [""]
        found |= dict.fromkeys(product([kind.noun], names, Run.Status.values), 0)
        rows = model.objects.filter(created_at__gt=now - WINDOW).order_by()
        fields = ("kind", "status") if has_kinds else ("status",)
        for values, number in Counter(rows.values_list(*fields)).items():
            name, status = values if has_kinds else ("", *values)
            found[kind.noun, name, status] = number
    return found


def _heartbeats(now: datetime) -> Iterator[Metric]:
    newest: dict[tuple[str, str], datetime] = {}
    alive: Counter[str] = Counter()
    for row in Heartbeat.objects.order_by():
        key = (row.queue, row.kind)
        newest[key] = max(row.beat_at, newest.get(key, row.beat_at))
        alive[row.queue] += row.kind == Kind.WORKER and is_fresh(row, now)
    yield gauge(
        "heartbeat_age_seconds",
        "Time since a worker, or the housekeeping, of the queue wrote its last heartbeat.",
        ["queue", "kind"],
        [(key, (now - moment).total_seconds()) for key, moment in sorted(newest.items())],
    )
    yield gauge(
        "workers_alive", "Workers with a recent heartbeat.", ["queue"],
        [([queue], alive[queue]) for queue in sorted(alive)],
    )  # fmt: skip
