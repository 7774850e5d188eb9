"""Heartbeats of workers and schedulers."""

import hashlib
import hmac
import os
import socket
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from backups.lib.processes import identity, is_gone, is_living
from backups.models import Heartbeat

Kind = Heartbeat.Kind
KEEP_FOR = timedelta(days=7)
# without a heartbeat for so long a worker counts as gone
SILENCE = timedelta(seconds=60)
# between the clocks of several hosts; a heartbeat further in the future was written while a clock was wrong
CLOCK_SKEW = timedelta(minutes=2)


def beat(name: str, kind: Kind, queue: str, *, started_at: datetime | None = None, problem: str = "") -> None:
    """Write the heartbeat `name` of this process."""
    now = timezone.now()
    current = {"kind": kind, "queue": queue, "host": socket.gethostname(), "pid": os.getpid(), "beat_at": now}
    current |= {"process": identity(), "stopped_at": None, "problem": problem, "key_fingerprint": key_fingerprint()}
    Heartbeat.objects.update_or_create(
        name=name, defaults=current, create_defaults=current | {"started_at": started_at or now}
    )


def beat_scheduler(queue: str, problem: str) -> None:
    """Write the heartbeat of the scheduler of `queue`. A problem of the round before stays until `note_problem`."""
    name = scheduler_name(queue)
    before = Heartbeat.objects.filter(name=name).values_list("problem", flat=True).first()
    beat(name, Kind.SCHEDULER, queue, problem=problem or before or "")


def note_problem(queue: str, problem: str) -> None:
    """Record in the heartbeat of the scheduler of `queue` what failed in this round, "" for nothing."""
    Heartbeat.objects.filter(name=scheduler_name(queue)).exclude(problem=problem).update(problem=problem)


def mark_stopped(name: str) -> None:
    """Record that the process of the heartbeat `name` ended cleanly."""
    Heartbeat.objects.filter(name=name).update(stopped_at=timezone.now())


def delete(name: str) -> None:
    """Delete the heartbeat `name`, of a process that does not start."""
    Heartbeat.objects.filter(name=name).delete()


def is_fresh(row: Heartbeat, now: datetime) -> bool:
    """Return whether the process of `row` has answered lately and was not stopped."""
    # by a host whose clock is a little ahead, a heartbeat may be in the future
    return row.stopped_at is None and -CLOCK_SKEW < now - row.beat_at < SILENCE


def key_fingerprint() -> str:
    """Return the fingerprint of SECRET_KEY: django-q2 discards each message that was signed with another key."""
    return hmac.new(settings.SECRET_KEY.encode(), b"backupsite worker", hashlib.sha256).hexdigest()[:16]


def workers_with_other_key() -> list[Heartbeat]:
    """Return the living workers, of any queue, whose SECRET_KEY is not that of this process."""
    now, own = timezone.now(), key_fingerprint()
    # those of an earlier release have no fingerprint
    rows = Heartbeat.objects.filter(kind=Kind.WORKER, stopped_at=None).exclude(key_fingerprint__in=["", own])
    return [row for row in rows if is_fresh(row, now) and not _has_ended(row)]


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
        if _has_ended(row):
            row.delete()


def _has_ended(row: Heartbeat) -> bool:
    """Return whether the process of `row` has certainly ended; False where that cannot be determined from here."""
    if row.process:
        return is_gone(row.process)
    # of a release before that column; another process may have its pid by now
    return row.host == socket.gethostname() and not is_living(row.pid)
