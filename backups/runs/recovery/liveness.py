"""Whether the process of a run lives: by its lock, its pid or its heartbeat."""

from datetime import datetime, timedelta

from django.conf import settings

from backups.lib.locks import Holder
from backups.lib.processes import is_gone, of_this_kernel
from backups.models import Run
from backups.runs import workspace
from backups.runs.queue.holder import on_this_host
from backups.runs.recovery import unrecorded
from backups.runs.registry import kind_of

Status = Run.Status
# Where the host that ran it knows better what it left, other hosts wait longer.
PATIENCE_OF_OTHERS = 10


def is_dead(run: Run, now: datetime) -> bool:
    """True when the process that holds `run` is gone, be it running or queued by a process for itself.

    The lock on its workspace tells at once, and where there is none, its pid in the same boot and pid namespace. For
    all others its heartbeat, or its reservation while it is queued, is older than BACKUP_HEARTBEAT_TIMEOUT seconds (ten
    times that, when another host ran it and stored in a folder of its own).
    """
    holder = workspace.holder_of(run.pk)
    if unrecorded.exists(run.pk) and holder in (Holder.GONE, Holder.ABSENT):
        return True  # its end could not be recorded, or it was killed
    here = on_this_host(run.worker)
    kind = kind_of(run)
    # a dead run that may have changed its instance is recovered by whoever holds the lock, where the instance lies
    rolls_back = kind.rolls_back and run.status == Status.RUNNING
    elsewhere = rolls_back and not here
    if holder is Holder.GONE and not elsewhere and _proves_death(run):
        return True
    if run.status == Status.QUEUED and holder is Holder.LIVING:
        return False
    if holder in (Holder.ABSENT, Holder.HIDDEN) and not rolls_back and is_gone(run.process):
        return True
    patience = timedelta(seconds=settings.BACKUP_HEARTBEAT_TIMEOUT)
    if not here and holder is not Holder.GONE and kind.host_knows_better(run):
        patience *= PATIENCE_OF_OTHERS
    last = (run.reserved_at if run.status == Status.QUEUED else run.heartbeat_at) or run.started_at
    return last is None or now - last > patience


def _proves_death(run: Run) -> bool:
    """True when a lock that is free here is free everywhere.

    A lock of this kernel always is. One of another kernel, or of one before the last boot, is seen only where no other
    host can have the file system: over a network a lock may stay within the host that took it.
    """
    return of_this_kernel(run.process) or (not run.process and on_this_host(run.worker)) or workspace.is_local()
