"""Keeping the processes of one queue: they end with us, and we end when they do."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from django.db import Error as DatabaseProblem
from django.db import connection
from django.utils import timezone

from backups.errors import BackupError
from backups.lib import audit
from backups.lib.log_handlers import log_problem
from backups.lib.processes import adopt_orphans, bury_orphans
from backups.runs.queue.queues import release_dead
from backups.runs.recovery import heartbeats
from backups.worker.housekeeping import ring_start_up, ring_tick
from backups.worker.q2.cluster import QueueCluster
from backups.worker.shutdown import end_all
from backups.worker.tasks import dispatch_waiting
from backups.worker.tick import keep_tick
from backups.worker.watchdog import Watchdog
from destinations.lib.os_signals import handled

CLEAN, FAILED, HANGS = 0, 1, os.EX_TEMPFAIL
POLL_SECONDS = 0.1
BEAT_SECONDS = 10.0


class Supervisor:
    """The worker of one queue; `run` returns its exit code."""

    def __init__(self, queue: str) -> None:
        self.queue = queue
        self.name = heartbeats.worker_name()
        self._signals = 0
        self._started_at = timezone.now()

    def run(self) -> int:
        """Work until a signal tells to end, and return 0; 1 when processes died or had to be killed, 75 when they hang.

        Raises BackupError when they cannot be started, DatabaseError when the database cannot be used at first.
        """
        self._beat()
        heartbeats.forget_dead(self.queue)
        adopt_orphans()
        cluster = QueueCluster(self.queue)
        # its processes inherit this: told to end all at once, as by a closed terminal, they leave that to us
        with handled(self._note):
            try:
                self._start(cluster)
                code = self._attend(cluster)
            finally:
                clean = end_all(cluster, hurry=lambda: self._signals > 1)
        code = code if clean else code or FAILED
        self._say_goodbye(code)
        return code

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1

    def _start(self, cluster: QueueCluster) -> None:
        try:
            cluster.start()
        except RuntimeError as error:
            if not self._signals:
                raise BackupError(str(error), hint="is the Redis of BACKUP_REDIS_URL running?") from error
        audit.log("worker.started", queue=self.queue, worker=self.name)
        with self._patience():
            ring_start_up(self.queue)
            release_dead()
            ring_tick(self.queue)
            dispatch_waiting(self.queue)

    def _attend(self, cluster: QueueCluster) -> int:
        watchdog = Watchdog(cluster, self.queue)
        next_beat = 0.0
        while not self._signals:
            if not cluster.is_alive:
                return self._died()
            if time.monotonic() >= next_beat:
                next_beat = time.monotonic() + BEAT_SECONDS
                if reason := self._look(watchdog):
                    audit.log("worker.hangs", logging.ERROR, queue=self.queue, worker=self.name, reason=reason)
                    return HANGS
            bury_orphans(but=cluster.pid)
            time.sleep(POLL_SECONDS)
        return CLEAN

    def _died(self) -> int:
        time.sleep(POLL_SECONDS)  # a signal to the whole group may reach it before us
        if self._signals:
            return CLEAN
        audit.log("worker.died", logging.ERROR, queue=self.queue, worker=self.name)
        return FAILED

    def _look(self, watchdog: Watchdog) -> str:
        """Write the sign of life and return the watchdog's verdict."""
        with self._patience():
            self._beat()
            return watchdog.verdict()
        return ""

    def _beat(self) -> None:
        heartbeats.beat(
            self.name, heartbeats.Kind.WORKER, self.queue, started_at=self._started_at, problem=log_problem()
        )
        keep_tick(self.queue)

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """A database that is away for a while is no reason to end."""
        try:
            yield
        except DatabaseProblem as error:
            audit.log("worker.heartbeat-failed", logging.WARNING, queue=self.queue, worker=self.name, error=error)
            connection.close()

    def _say_goodbye(self, code: int) -> None:
        audit.log("worker.ended", queue=self.queue, worker=self.name, exit_code=code)
        if code == CLEAN:
            with self._patience():
                heartbeats.stopped(self.name)
