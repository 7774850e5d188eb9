"""The processes of django-q2, so that they end when they are told to and die with the one that started them."""

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

from backups.lib.processes import die_with, forks_die_with_their_parents
from backups.worker.q2.results import hide_secrets_in_results

# Shared by the worker and all its forks: without a lock, which a killed process could take with it.
_called_at = multiprocessing.get_context("fork").RawValue("d", 0.0)
_ending = multiprocessing.get_context("fork").RawValue("b", 0)


def is_ending() -> bool:
    """True in a worker that was told to end: it begins nothing new."""
    return bool(_ending.value)


class QueueCluster:
    """django-q2's cluster for one queue. Of its sketch only the processes are used; signals are the caller's."""

    def __init__(self, queue: str) -> None:
        Conf.CLUSTER_NAME = queue  # read when it is used; the environment variable is read at import, too early for us
        _ending.value, _called_at.value = 0, time.monotonic()
        post_spawn.connect(_spawned, dispatch_uid="backups.worker.q2")
        pre_execute.connect(_called, dispatch_uid="backups.worker.q2")
        hide_secrets_in_results()
        self._cluster = Cluster()

    def start(self) -> None:
        """Raises RuntimeError when it cannot start, for example because Redis does not answer."""
        forks_die_with_their_parents()
        connections.close_all()  # a fork must not talk, or say goodbye, through the connection of its parent
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
        """Seconds since one of its processes took up a message."""
        return time.monotonic() - float(_called_at.value)

    def ask_to_end(self) -> None:
        """Let it finish what it does and begin nothing more."""
        _ending.value = 1
        if self.is_alive:
            # by a thread, because a process that was killed may have taken the event's lock with it
            threading.Thread(target=self._cluster.stop_event.set, daemon=True).start()

    def terminate(self) -> None:
        """End the sentinel, and with it, by SIGTERM, whatever its processes are doing."""
        if self.is_alive:
            self._cluster.sentinel.terminate()


def _spawned(**_: Any) -> None:
    """In a process that runs tasks: end by SIGTERM, and in such a way that `finally` runs."""

    def leave(number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    die_with(os.getppid(), signal.SIGTERM)


def _called(**_: Any) -> None:
    _called_at.value = time.monotonic()
