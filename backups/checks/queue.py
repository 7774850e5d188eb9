"""Check the settings of django-q2 with which backups run twice, do not run, or are lost. Each did so in a test."""

import os
from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning

from backups.instances.fields import NAME
from backups.runs.registry import kinds
from backups.worker.child_process import MARGIN_SECONDS
from backups.worker.tasks import BURST_SECONDS

Cluster = Mapping[str, Any]
SPARE_SECONDS = 60
OTHER_BROKERS = ("sqs", "iron_mq", "mongo", "broker_class", "django_redis")
LEAST = {
    "BACKUP_WORKERS": 1,
    "BACKUP_TIMEOUT": 1,
    "BACKUP_HEARTBEAT_TIMEOUT": 10,
    "BACKUP_DRILL_EVERY_DAYS": 0,
    "BACKUP_RESTORE_CONFIRMATION_MINUTES": 1,
}
LONGEST_CONFIRMATION = 24 * 60
HINT = "Use the Q_CLUSTER of backupsite/queue.py; docs/workers.md gives the reasons."


def ending_seconds() -> float:
    """Return how long a run may take to end after BACKUP_TIMEOUT. django-q2 must not kill its task before."""
    return BURST_SECONDS + MARGIN_SECONDS + max(kind.ending_seconds for kind in kinds()) + SPARE_SECONDS


def needed_retry(cluster: Cluster) -> float:
    """Return the lower bound of `retry`, in seconds."""
    # It counts from when a message is fetched, not from when its task starts: the task may wait for all others that
    # were fetched before.
    workers = cluster.get("workers") or os.cpu_count() or 4
    queue_limit = cluster.get("queue_limit", workers**2)
    return float((cluster.get("timeout") or 0) * (1 + ceil((queue_limit + 1) / workers)))


def cluster_errors(cluster: Cluster) -> Iterator[tuple[str, str]]:
    """Yield the id and the text of each error in `cluster`."""
    needed = settings.BACKUP_TIMEOUT + ending_seconds()
    if (cluster.get("timeout") or 0) < needed:
        yield (
            "backups.E010",
            f"timeout must be at least {needed:.0f}: BACKUP_TIMEOUT and the time a run may take to end.",
        )
    retry = needed_retry(cluster)
    if cluster.get("retry", 60) <= retry:
        bound = f"{retry:.0f}, which is timeout * (1 + ceil((queue_limit + 1) / workers))"
        yield "backups.E011", f"retry must be longer than {bound}: a running task would be started a second time."
    if not cluster.get("ack_failures"):
        yield "backups.E012", "ack_failures must be True: a task that failed would be started again and again."
    if cluster.get("max_attempts") != 1:
        yield "backups.E013", "max_attempts must be 1: a task that failed would be started again."
    if cluster.get("catch_up", True):
        yield "backups.E014", "catch_up must be False: after an hour without a worker sixty ticks would come at once."
    if cluster.get("sync"):
        yield "backups.E015", "sync must not be set: a page would wait for the whole backup, inside its transaction."
    if not cluster.get("scheduler", True):
        yield "backups.E016", "scheduler must not be off: no schedule would start, and no dead run would be ended."
    if cluster.get("orm", "default") != "default":
        yield (
            "backups.E017",
            "orm must be 'default': a message must not be read before the row that it names is committed.",
        )


def cluster_warnings(cluster: Cluster) -> Iterator[tuple[str, str]]:
    """Yield the id and the text of each warning about `cluster`."""
    wanted = settings.BACKUP_WORKERS + 2
    if (cluster.get("workers") or wanted) < wanted:
        busy = settings.BACKUP_WORKERS
        yield "backups.W010", f"workers should be at least {wanted}: housekeeping would wait behind {busy} backups."
    workers = cluster.get("workers") or os.cpu_count() or 4
    if cluster.get("queue_limit", workers**2) > workers:
        yield "backups.W011", "queue_limit should not be more than workers: a cluster would hold messages of idle ones."
    if not 0.5 <= cluster.get("poll", 0.2) <= 30:
        yield (
            "backups.W012",
            "poll should be between 0.5 and 30 seconds: each is a query, and delays the start of a backup.",
        )
    if cluster.get("save_limit", 250) == 0:
        yield "backups.W013", "save_limit should not be 0: the results of every minute would be kept for ever."
    if other := [name for name in OTHER_BROKERS if cluster.get(name)]:
        yield "backups.W014", f"{other[0]}: only the database and Redis are tested as brokers."


def check_cluster(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E010 to E017, W010 to W014: settings of Q_CLUSTER."""
    cluster: Cluster = getattr(settings, "Q_CLUSTER", {})
    found: list[CheckMessage] = []
    found += [Error(f"Q_CLUSTER: {text}", hint=HINT, id=id) for id, text in cluster_errors(cluster)]
    found += [Warning(f"Q_CLUSTER: {text}", hint=HINT, id=id) for id, text in cluster_warnings(cluster)]
    return found


def check_own_settings(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E018: a number is too small. E019: BACKUP_QUEUE is not a name. W018: a confirmation is valid for too long."""
    found: list[CheckMessage] = []
    for name, least in LEAST.items():
        if getattr(settings, name) < least:
            found.append(Error(f"{name} is less than {least}.", hint="See docs/configuration.md.", id="backups.E018"))
    if settings.BACKUP_RESTORE_CONFIRMATION_MINUTES > LONGEST_CONFIRMATION:
        text = f"BACKUP_RESTORE_CONFIRMATION_MINUTES is more than {LONGEST_CONFIRMATION}, which is a day."
        hint = "The instance changes between a confirmation and its restore: what the preview showed is outdated then."
        found.append(Warning(text, hint=hint, id="backups.W018"))
    if not NAME.fullmatch(settings.BACKUP_QUEUE):
        hint = "Use letters, digits, '_' and '-', at most 64."
        found.append(Error("BACKUP_QUEUE is not the name of a queue.", hint=hint, id="backups.E019"))
    return found
