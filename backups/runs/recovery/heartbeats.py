"""Heartbeats of workers and schedulers, as rows that every host and page can read."""

import os
import socket
from datetime import datetime, timedelta

from django.utils import timezone

from backups.lib.processes import is_living
from backups.models import Heartbeat

Kind = Heartbeat.Kind
FORGET_AFTER = timedelta(days=7)
# what is dated further ahead than clocks of several hosts differ was written while a clock was wrong
CLOCKS_DIFFER = timedelta(minutes=2)


def beat(name: str, kind: Kind, queue: str, *, started_at: datetime | None = None, problem: str = "") -> None:
    """Write the heartbeat `name` of this process."""
    now = timezone.now()
    current = {"kind": kind, "queue": queue, "host": socket.gethostname(), "pid": os.getpid(), "beat_at": now}
    current |= {"stopped_at": None, "problem": problem}
    Heartbeat.objects.update_or_create(
        name=name, defaults=current, create_defaults=current | {"started_at": started_at or now}
    )


def stopped(name: str) -> None:
    """Note that it ended in good order."""
    Heartbeat.objects.filter(name=name).update(stopped_at=timezone.now())


def worker_name() -> str:
    return f"worker {socket.gethostname()}:{os.getpid()}"


def scheduler_name(queue: str) -> str:
    return f"scheduler of {queue}"


def forget_old() -> int:
    """Remove the rows of workers that are long gone; return how many."""
    return Heartbeat.objects.filter(beat_at__lt=timezone.now() - FORGET_AFTER).delete()[0]


def forget_dead(queue: str) -> None:
    """Remove the rows of workers of `queue` on this host that are gone: one that starts again and again leaves one."""
    for row in Heartbeat.objects.filter(kind=Kind.WORKER, queue=queue, host=socket.gethostname()):
        if not is_living(row.pid):
            row.delete()
