"""Ending every process that a worker started, in good order first."""

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
# A run that is told to end has its own time for it; this is for the processes around it.
MARGIN_SECONDS = 5.0


def end_all(cluster: QueueCluster, *, hurry: Callable[[], bool]) -> bool:
    """Let the runs finish within BACKUP_STOP_GRACE seconds, then tell them to end, then kill what is left.

    True when nothing had to be killed. `hurry` is asked whether to tell them at once.
    """
    cluster.ask_to_end()
    _wait(lambda: not _busy() or not cluster.is_alive or hurry(), settings.BACKUP_STOP_GRACE)
    cluster.terminate()
    limit = MARGIN_SECONDS + max((kind.ending_seconds for kind in _busy()), default=0.0)
    if _wait(_none_left, limit):
        return True
    while left := descendants(os.getpid()):
        kill_all(left)
        time.sleep(POLL_SECONDS)
    return False


def _none_left() -> bool:
    """Processes are looked at one after the other, and one whose parent dies meanwhile may be missed: look twice."""
    return not descendants(os.getpid()) and not descendants(os.getpid())


def _busy() -> list[RunKind[Any]]:
    return [kind for kind in kinds() if not all_free(kind)]


def _wait(done: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
