"""Shutdown of a worker: all processes that it started end, gracefully if possible."""

import os
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings

from backups.lib.processes import descendants, kill_all
from backups.runs.queue.slots import all_free
from backups.runs.registry import RunKind, kinds
from backups.worker.q2.cluster import QueueCluster

POLL_SECONDS = 0.05
# for the processes around a run, in addition to the `ending_seconds` of its kind
MARGIN_SECONDS = 5.0


def end_all(cluster: QueueCluster, *, hurry: Callable[[], bool]) -> bool:
    """Let the runs finish within BACKUP_STOP_GRACE seconds, then send SIGTERM, then SIGKILL to what is left.

    True when nothing had to be killed. When `hurry` returns True the grace period ends at once.
    """
    cluster.request_stop()
    _wait(lambda: not _busy() or not cluster.is_alive or hurry(), settings.BACKUP_STOP_GRACE)
    cluster.terminate()
    limit = MARGIN_SECONDS + max((kind.ending_seconds for kind in _busy()), default=0.0)
    # the process table is not read atomically, and may miss a process whose parent dies meanwhile: two readings
    if _wait(lambda: not descendants(os.getpid()) and not descendants(os.getpid()), limit):
        return True
    while left := descendants(os.getpid()):
        kill_all(left)
        time.sleep(POLL_SECONDS)
    return False


def _busy() -> list[RunKind[Any]]:
    return [kind for kind in kinds() if not all_free(kind)]


def _wait(done: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
