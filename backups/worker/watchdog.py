"""The watchdog: detects a worker whose processes are alive but no longer take messages."""

import time
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from backups.models import Heartbeat
from backups.runs.queue.queues import waiting
from backups.runs.queue.slots import all_free
from backups.runs.recovery.heartbeats import Kind
from backups.runs.registry import kinds, models
from backups.worker.q2.cluster import QueueCluster

# Longer than the two minutes after which the tick has dispatched a run again whose message was lost.
WAITING_SECONDS = 180
# One of the workers of a queue gets a tick each minute: ten in a row for the others are no coincidence.
IDLE_SECONDS = 600
ALIVE_WITHIN = timedelta(seconds=60)


class Watchdog:
    """Compares waiting runs and received messages; a killed process of django-q2 may block the others by a lock."""

    def __init__(self, cluster: QueueCluster, queue: str) -> None:
        self._cluster, self._queue = cluster, queue
        self._waiting_since: float | None = None

    def reason_to_restart(self) -> str:
        """Return why this worker must be restarted, or nothing. Called every few seconds."""
        # a task of this host works, so that messages are received
        if not all(map(all_free, kinds())):
            self._waiting_since = None
            return ""
        if any(waiting(model, self._queue).exists() for model in models()):
            now = time.monotonic()
            since = self._waiting_since = self._waiting_since or now
            if now - since > WAITING_SECONDS + 3 * settings.Q_CLUSTER.get("poll", 0.2):
                return f"runs wait for {now - since:.0f} seconds and nothing takes them"
        else:
            self._waiting_since = None
        idle = self._cluster.idle_seconds
        # no query as long as messages come
        if idle < IDLE_SECONDS:
            return ""
        workers = Heartbeat.objects.filter(
            kind=Kind.WORKER, queue=self._queue, stopped_at=None, beat_at__gt=timezone.now() - ALIVE_WITHIN
        ).count()
        return f"no message, not even a tick, for {idle:.0f} seconds" if idle > IDLE_SECONDS * max(1, workers) else ""
