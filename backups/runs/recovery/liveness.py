"""Liveness of the process of a run, by its lock, its pid or its heartbeat."""

from datetime import datetime, timedelta

from django.conf import settings

from backups.lib.locks import Holder
from backups.lib.processes import is_gone, started_since_boot
from backups.models import Run
from backups.runs import workspace
from backups.runs.queue.ownership import is_on_this_host
from backups.runs.recovery import unrecorded
from backups.runs.registry import kind_of

Status = Run.Status
# applied by other hosts to a run that only its own host can clean up after
TIMEOUT_FACTOR = 10


def is_dead(run: Run, now: datetime) -> bool:
    """True when the process of `run` is gone; `run` is running, or queued by a process for itself.

    The lock on its workspace proves it at once, and without a lock file the pid, in the same boot and pid namespace.
    In other cases the heartbeat (while queued, the reservation) must be older than BACKUP_HEARTBEAT_TIMEOUT seconds,
    or ten times that for a run of another host that stored in a folder of its own.
    """
    holder = workspace.holder_of(run.pk)
    if unrecorded.exists(run.pk) and holder in (Holder.GONE, Holder.ABSENT):
        return True  # it was killed, or its end could not be recorded
    here = is_on_this_host(run.worker)
    kind = kind_of(run)
    # it may have changed its instance: only a process on the host of the instance, with the lock, may recover it
    rolls_back = kind.rolls_back and run.status == Status.RUNNING
    elsewhere = rolls_back and not here
    if (
        holder is Holder.GONE
        and not elsewhere
        # a network file system may keep a lock within the host that took it, so the free lock of another kernel, or of
        # this host before its last boot, counts only on a local file system
        and (started_since_boot(run.process) or (not run.process and here) or workspace.is_local())
    ):
        return True
    if run.status == Status.QUEUED and holder is Holder.LIVING:
        return False
    if holder in (Holder.ABSENT, Holder.HIDDEN) and not rolls_back and is_gone(run.process):
        return True
    timeout = timedelta(seconds=settings.BACKUP_HEARTBEAT_TIMEOUT)
    if not here and holder is not Holder.GONE and kind.only_own_host_recovers(run):
        timeout *= TIMEOUT_FACTOR
    # a release before reservations had columns of their own wrote the heartbeat of a queued run
    last = (run.reserved_at if run.status == Status.QUEUED else None) or run.heartbeat_at or run.started_at
    return last is None or now - last > timeout
