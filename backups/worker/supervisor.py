"""The supervisor of the processes of one queue: it ends when they end, and they end when it ends."""

import logging
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from django.db import Error as DatabaseProblem
from django.db import connection
from django.utils import timezone

from backups.errors import BackupError
from backups.instances import inventory
from backups.lib import audit
from backups.lib.log_handlers import log_problem
from backups.lib.processes import become_subreaper, reap_orphans
from backups.runs.queue.queues import release_dead
from backups.runs.recovery import heartbeats
from backups.runs.registry import import_kinds
from backups.worker.q2.cluster import QueueCluster
from backups.worker.run_process import end_forks, start_forks
from backups.worker.shutdown import end_all
from backups.worker.tasks import dispatch_waiting
from backups.worker.tick import enqueue_start_up, enqueue_tick, keep_tick
from backups.worker.watchdog import Watchdog
from destinations.lib.formats import listed
from destinations.lib.os_signals import signal_handler

# exit codes
CLEAN, FAILED, HANGS = 0, 1, os.EX_TEMPFAIL
POLL_SECONDS = 0.1
BEAT_SECONDS = 10.0


class Supervisor:
    """The worker of one queue; `run` returns its exit code."""

    def __init__(self, queue: str) -> None:
        self.queue = queue
        self.name = heartbeats.worker_name()
        self._signals = 0
        self._forks: subprocess.Popen[bytes] | None = None
        self._started_at = timezone.now()
        self._file_problem = ""

    def run(self) -> int:
        """Work until a signal, and return 0; 1 when processes died or had to be killed, 75 when they hang.

        Raises BackupError when they cannot be started or a worker has another SECRET_KEY, DatabaseError when the
        database cannot be used at the start.
        """
        heartbeats.delete_dead(self.queue)
        # before the check: of two that start at once one at least sees the other
        self._beat()
        self._require_same_key()
        become_subreaper()
        # once for all its processes
        import_kinds()
        cluster = QueueCluster(self.queue)
        # before the cluster, whose processes inherit the way to ask it
        self._forks = start_forks()
        # the processes inherit this handler: a signal to the whole group, as from a closed terminal, ends none of them
        # at once, and this process shuts them down in order
        with signal_handler(self._count_signal):
            try:
                self._start(cluster)
                code = self._watch(cluster)
            finally:
                end_forks()
                clean = end_all(cluster, hurry=lambda: self._signals > 1)
        code = code if clean else code or FAILED
        audit.log("worker.ended", queue=self.queue, worker=self.name, exit_code=code)
        if code == CLEAN:
            with self._database_may_fail():
                heartbeats.mark_stopped(self.name)
        return code

    def _require_same_key(self) -> None:
        """Raise BackupError, and delete the heartbeat of this worker, while a worker with another SECRET_KEY lives."""
        if others := heartbeats.workers_with_other_key():
            heartbeats.delete(self.name)
            where = listed(list(dict.fromkeys(row.host for row in others)))
            raise BackupError(
                f"A worker with another SECRET_KEY serves this database, on {where}: each would discard the messages "
                "of the other.",
                hint="Give every host the same SECRET_KEY. To change it, stop all workers first. One that was killed "
                f"on another host counts as stopped after {heartbeats.SILENCE.seconds} seconds.",
            )

    def _count_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1

    def _start(self, cluster: QueueCluster) -> None:
        try:
            cluster.start()
        except RuntimeError as error:
            if not self._signals:
                raise BackupError(str(error), hint="Check that the Redis of BACKUP_REDIS_URL is running.") from error
        audit.log("worker.started", queue=self.queue, worker=self.name)
        with self._database_may_fail():
            enqueue_start_up(self.queue)
            release_dead()
            enqueue_tick(self.queue)
            dispatch_waiting(self.queue)

    def _watch(self, cluster: QueueCluster) -> int:
        """Write heartbeats and check the cluster until it must end; return the exit code."""
        watchdog = Watchdog(cluster, self.queue)
        next_beat = 0.0
        while not self._signals:
            if not cluster.is_alive:
                time.sleep(POLL_SECONDS)  # a signal to the whole group may reach the cluster before this process
                if self._signals:
                    return CLEAN
                audit.log("worker.died", logging.ERROR, queue=self.queue, worker=self.name)
                return FAILED
            if time.monotonic() >= next_beat:
                next_beat = time.monotonic() + BEAT_SECONDS
                # while the database fails nothing is known of the queue
                reason = ""
                with self._database_may_fail():
                    self._beat()
                    self._follow_file()
                    reason = watchdog.reason_to_restart()
                if reason:
                    audit.log("worker.hangs", logging.ERROR, queue=self.queue, worker=self.name, reason=reason)
                    return HANGS
            if self._forks is not None and self._forks.poll() is not None:
                # the next runs are started as programs
                audit.log("worker.forks-died", logging.WARNING, queue=self.queue, worker=self.name)
                self._forks = None
            reap_orphans(but=cluster.pid)
            time.sleep(POLL_SECONDS)
        return CLEAN

    def _beat(self) -> None:
        heartbeats.beat(
            self.name, heartbeats.Kind.WORKER, self.queue, started_at=self._started_at, problem=log_problem()
        )
        keep_tick(self.queue)

    def _follow_file(self) -> None:
        """Log once that runs wait for the instances file, and start them as soon as it can be read again."""
        found = inventory().file_problem
        problem = str(found) if found is not None else ""
        if problem and problem != self._file_problem:
            audit.log("worker.waits-for-instances", logging.WARNING, queue=self.queue, worker=self.name, error=problem)
        elif self._file_problem and not problem:
            audit.log("worker.instances-known-again", queue=self.queue, worker=self.name)
            dispatch_waiting(self.queue)
        self._file_problem = problem

    @contextmanager
    def _database_may_fail(self) -> Iterator[None]:
        """Log an error of the database and continue: it may be unavailable for a while."""
        try:
            yield
        except DatabaseProblem as error:
            audit.log("worker.heartbeat-failed", logging.WARNING, queue=self.queue, worker=self.name, error=error)
            connection.close()
