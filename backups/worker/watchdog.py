"""A worker that looks healthy and does nothing: told from one that has nothing to do."""

import time
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from backups.models import Heartbeat
from backups.runs.queue.queues import waiting
from backups.runs.queue.slots import all_free
from backups.runs.recovery.heartbeats import Kind
from backups.runs.registry import kinds
from backups.worker.q2.cluster import QueueCluster

# Longer than the two minutes within which the tick calls a second time for a run whose message was lost.
WAITING_SECONDS = 180
# Every minute brings a tick to one of the workers of a queue: that ten in a row all go to others is no chance.
IDLE_SECONDS = 600
ANSWERING = timedelta(seconds=60)


class Watchdog:
    """A process of django-q2 that is killed may take a lock with it; then the others wait for ever."""

    def __init__(self, cluster: QueueCluster, queue: str) -> None:
        self._cluster, self._queue = cluster, queue
        self._waiting_since: float | None = None

    def verdict(self) -> str:
        """Return why this worker must be started again, or nothing. To be asked every few seconds."""
        if not all(map(all_free, kinds())):
            self._waiting_since = None
            return ""
        return self._nobody_takes() or self._nothing_arrives()

    def _nobody_takes(self) -> str:
        if not any(waiting(kind.model, self._queue).exists() for kind in kinds()):
            self._waiting_since = None
            return ""
        now = time.monotonic()
        since = self._waiting_since = self._waiting_since or now
        allowed = WAITING_SECONDS + 3 * settings.Q_CLUSTER.get("poll", 0.2)
        return f"runs wait for {now - since:.0f} seconds and nothing takes them" if now - since > allowed else ""

    def _nothing_arrives(self) -> str:
        idle = self._cluster.idle_seconds
        if idle < IDLE_SECONDS:
            return ""
        workers = Heartbeat.objects.filter(
            kind=Kind.WORKER, queue=self._queue, stopped_at=None, beat_at__gt=timezone.now() - ANSWERING
        ).count()
        return f"no message, not even a tick, for {idle:.0f} seconds" if idle > IDLE_SECONDS * max(1, workers) else ""
