"""Settings of django-q2 under which backups would run twice, never, or be lost. Each was seen to do so."""

import os
from collections.abc import Callable, Mapping, Sequence
from math import ceil
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

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
HINT = "use the Q_CLUSTER of backupsite/queue.py; docs/workers.md gives the reasons"


def ending_seconds() -> float:
    """Return how long a run may take to end after BACKUP_TIMEOUT: django-q2 must not kill its task meanwhile."""
    return BURST_SECONDS + MARGIN_SECONDS + max(kind.ending_seconds for kind in kinds()) + SPARE_SECONDS


def needed_retry(cluster: Cluster) -> float:
    """Return what `retry` must be longer than, in seconds.

    Its clock starts when a message is taken, not when its task starts, and it may wait behind all that are taken too.
    """
    workers = cluster.get("workers") or os.cpu_count() or 4
    queue_limit = cluster.get("queue_limit", workers**2)
    return float((cluster.get("timeout") or 0) * (1 + ceil((queue_limit + 1) / workers)))


def _timeout(cluster: Cluster) -> str:
    needed = settings.BACKUP_TIMEOUT + ending_seconds()
    if (cluster.get("timeout") or 0) >= needed:
        return ""
    return f"timeout must be at least {needed:.0f}: BACKUP_TIMEOUT and the time a run may take to end"


def _retry(cluster: Cluster) -> str:
    needed = needed_retry(cluster)
    if cluster.get("retry", 60) > needed:
        return ""
    return (
        f"retry must be longer than {needed:.0f}, which is timeout * (1 + ceil((queue_limit + 1) / workers)): "
        "a running task would be started a second time"
    )


def _broker(cluster: Cluster) -> str:
    if cluster.get("orm", "default") != "default":
        return "orm must be 'default': a message must not be read before the row that it names is committed"
    return ""


# id: what is wrong, or nothing
ERRORS: dict[str, Callable[[Cluster], str]] = {
    "backups.E010": _timeout,
    "backups.E011": _retry,
    "backups.E012": lambda cluster: "" if cluster.get("ack_failures") else (
        "ack_failures must be True: a task that failed would be started again and again"
    ),
    "backups.E013": lambda cluster: "" if cluster.get("max_attempts") == 1 else (
        "max_attempts must be 1: a task that failed would be started again"
    ),
    "backups.E014": lambda cluster: "" if not cluster.get("catch_up", True) else (
        "catch_up must be False: after an hour of silence sixty ticks would come at once"
    ),
    "backups.E015": lambda cluster: "" if not cluster.get("sync") else (
        "sync must not be set: a page would wait for the whole backup, inside its transaction"
    ),
    "backups.E016": lambda cluster: "" if cluster.get("scheduler", True) else (
        "scheduler must not be off: nothing would be looked after"
    ),
    "backups.E017": _broker,
}  # fmt: skip


def _spare(cluster: Cluster) -> str:
    wanted = settings.BACKUP_WORKERS + 2
    if (cluster.get("workers") or wanted) >= wanted:
        return ""
    return f"workers should be at least {wanted}: housekeeping would wait behind {settings.BACKUP_WORKERS} backups"


def _prefetch(cluster: Cluster) -> str:
    workers = cluster.get("workers") or os.cpu_count() or 4
    if cluster.get("queue_limit", workers**2) <= workers:
        return ""
    return "queue_limit should not be more than workers: a cluster would hold messages that another could act on"


def _other_broker(cluster: Cluster) -> str:
    other = [name for name in OTHER_BROKERS if cluster.get(name)]
    return f"{other[0]}: only the database and Redis are tested as brokers" if other else ""


WARNINGS: dict[str, Callable[[Cluster], str]] = {
    "backups.W010": _spare,
    "backups.W011": _prefetch,
    "backups.W012": lambda cluster: "" if 0.5 <= cluster.get("poll", 0.2) <= 30 else (
        "poll should be between 0.5 and 30 seconds: it is a query each, and how late a backup starts"
    ),
    "backups.W013": lambda cluster: "" if cluster.get("save_limit", 250) != 0 else (
        "save_limit should not be 0: the results of every minute would be kept for ever"
    ),
    "backups.W014": _other_broker,
}  # fmt: skip


@register("queue")
def check_cluster(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E010 to E017, W010 to W014: settings of Q_CLUSTER."""
    cluster: Cluster = getattr(settings, "Q_CLUSTER", {})
    found: list[CheckMessage] = []
    found += [Error(f"Q_CLUSTER: {text}", hint=HINT, id=id) for id, check in ERRORS.items() if (text := check(cluster))]
    found += [
        Warning(f"Q_CLUSTER: {text}", hint=HINT, id=id) for id, check in WARNINGS.items() if (text := check(cluster))
    ]
    return found


@register("queue")
def check_own_settings(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E018: numbers under which nothing would run. E019: BACKUP_QUEUE is no name. W018: too long a confirmation."""
    found: list[CheckMessage] = []
    for name, least in LEAST.items():
        if getattr(settings, name) < least:
            found.append(Error(f"{name} is less than {least}", hint="see docs/configuration.md", id="backups.E018"))
    if settings.BACKUP_RESTORE_CONFIRMATION_MINUTES > LONGEST_CONFIRMATION:
        text = f"BACKUP_RESTORE_CONFIRMATION_MINUTES is more than {LONGEST_CONFIRMATION}, which is a day"
        hint = "a restore that was confirmed would bring back a state that nobody looked at for that long"
        found.append(Warning(text, hint=hint, id="backups.W018"))
    if not NAME.fullmatch(settings.BACKUP_QUEUE):
        hint = "letters, digits, '_' and '-', at most 64"
        found.append(Error("BACKUP_QUEUE is not the name of a queue", hint=hint, id="backups.E019"))
    return found
