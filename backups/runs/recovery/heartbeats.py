"""Heartbeats of workers and schedulers."""

import os
import socket
from datetime import datetime, timedelta

from django.utils import timezone

from backups.lib.processes import identity, is_gone, is_living
from backups.models import Heartbeat

Kind = Heartbeat.Kind
KEEP_FOR = timedelta(days=7)
# between the clocks of several hosts; a heartbeat further in the future was written while a clock was wrong
CLOCK_SKEW = timedelta(minutes=2)


def beat(name: str, kind: Kind, queue: str, *, started_at: datetime | None = None, problem: str = "") -> None:
    """Write the heartbeat `name` of this process."""
    now = timezone.now()
    current = {"kind": kind, "queue": queue, "host": socket.gethostname(), "pid": os.getpid(), "beat_at": now}
    current |= {"process": identity(), "stopped_at": None, "problem": problem}
    Heartbeat.objects.update_or_create(
        name=name, defaults=current, create_defaults=current | {"started_at": started_at or now}
    )


def mark_stopped(name: str) -> None:
    """Record that the process of the heartbeat `name` ended cleanly."""
    Heartbeat.objects.filter(name=name).update(stopped_at=timezone.now())


def worker_name() -> str:
    return f"worker {socket.gethostname()}:{os.getpid()}"


def scheduler_name(queue: str) -> str:
    return f"scheduler of {queue}"


def delete_old() -> int:
    """Delete heartbeats that are older than a week; return how many."""
    return Heartbeat.objects.filter(beat_at__lt=timezone.now() - KEEP_FOR).delete()[0]


def delete_dead(queue: str) -> None:
    """Delete the heartbeats of workers of `queue` on this host whose process is gone."""
    # a worker in a restart loop would leave one row each time
    for row in Heartbeat.objects.filter(kind=Kind.WORKER, queue=queue, host=socket.gethostname()):
        # another process may have its pid by now; a release before that column wrote no process
        if is_gone(row.process) if row.process else not is_living(row.pid):
            row.delete()
