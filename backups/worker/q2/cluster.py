"""The processes of django-q2: they shut down on request, and die with the process that started them."""

import multiprocessing
import os
import signal
import threading
import time
from types import FrameType
from typing import Any

from django.db import connections
from django_q.cluster import Cluster
from django_q.conf import Conf
from django_q.signals import post_spawn, pre_execute

from backups.lib.processes import kill_forks_with_parent, set_parent_death_signal
from backups.worker.q2.results import hide_secrets_in_results

# Shared by the worker and its forks, without a lock: a killed process could hold it for ever.
_message_at = multiprocessing.get_context("fork").RawValue("d", 0.0)
_ending = multiprocessing.get_context("fork").RawValue("b", 0)
# of the worker and its forks
_queue = ""


def is_ending() -> bool:
    """True in the processes of a worker that is shutting down: they start no run."""
    return bool(_ending.value)


def own_queue() -> str:
    """Return the queue that this process of a worker serves; an empty string in any other process."""
    return _queue


class QueueCluster:
    """django-q2's cluster for one queue, without its signal handlers: the caller handles signals."""

    def __init__(self, queue: str) -> None:
        global _queue
        Conf.CLUSTER_NAME = _queue = queue  # the environment variable is read at import, before the queue is known
        _ending.value, _message_at.value = 0, time.monotonic()
        post_spawn.connect(_handle_sigterm, dispatch_uid="backups.worker.q2")
        pre_execute.connect(_record_message, dispatch_uid="backups.worker.q2")
        hide_secrets_in_results()
        self._cluster = Cluster()

    def start(self) -> None:
        """Raises RuntimeError when it cannot start, for example because Redis does not answer."""
        kill_forks_with_parent()
        connections.close_all()  # a fork must not use, or close, the connection of its parent
        self._cluster.start()

    @property
    def pid(self) -> int:
        """The process id of the sentinel, which starts all others."""
        return int(self._cluster.sentinel.pid)

    @property
    def is_alive(self) -> bool:
        sentinel = self._cluster.sentinel
        return bool(sentinel and sentinel.is_alive())

    @property
    def idle_seconds(self) -> float:
        """Seconds since one of its processes received a message."""
        return time.monotonic() - float(_message_at.value)

    def request_stop(self) -> None:
        """Let the processes finish their current runs and start no others."""
        _ending.value = 1
        if self.is_alive:
            # in a thread: the lock of the event may be held by a process that was killed
            threading.Thread(target=self._cluster.stop_event.set, daemon=True).start()

    def terminate(self) -> None:
        """Send SIGTERM to the sentinel, and thereby to its processes and their runs."""
        if self.is_alive:
            self._cluster.sentinel.terminate()


def _handle_sigterm(**_: Any) -> None:
    """In a process that runs tasks: turn SIGTERM into SystemExit, so that `finally` blocks run."""

    def leave(number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    set_parent_death_signal(os.getppid(), signal.SIGTERM)


def _record_message(**_: Any) -> None:
    _message_at.value = time.monotonic()
