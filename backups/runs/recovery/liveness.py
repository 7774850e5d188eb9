"""Whether the process of a run lives, told without asking it."""

from datetime import datetime, timedelta

from django.conf import settings

from backups.lib.locks import Holder
from backups.models import BackupExecution, RestoreExecution, Run
from backups.processes import is_gone, of_this_kernel
from backups.runs import workspace
from backups.runs.queue.holder import on_this_host
from backups.runs.recovery import unrecorded
from destinations.backends import destination_class
from destinations.exceptions import DestinationConfigError

Status = Run.Status
# The host that ran it knows better what it left, above all in a folder of its own: others wait longer.
PATIENCE_OF_OTHERS = 10


def is_dead(run: Run, now: datetime) -> bool:
    """True when the process that holds `run` is gone, be it running or queued by a process for itself.

    The lock on its workspace tells at once, and where there is none, its pid in the same boot and pid namespace. For
    all others it is its heartbeat that stopped for BACKUP_HEARTBEAT_TIMEOUT seconds (ten times that, when another host
    ran it and stored in a folder of its own).
    """
    holder = workspace.holder_of(run.pk)
    if unrecorded.exists(run.pk) and holder in (Holder.GONE, Holder.ABSENT):
        return True  # a restore whose end the database could not take, or that was killed
    here = on_this_host(run.worker)
    # what a restore left half done is rolled back where its instance lies: others leave that host time to do it
    elsewhere = isinstance(run, RestoreExecution) and run.status == Status.RUNNING and not here
    if holder is Holder.GONE and not elsewhere and _proves_death(run):
        return True
    if run.status == Status.QUEUED and holder is Holder.LIVING:
        return False
    if holder in (Holder.ABSENT, Holder.HIDDEN) and not _rolls_back(run) and is_gone(run.process):
        return True
    patience = timedelta(seconds=settings.BACKUP_HEARTBEAT_TIMEOUT)
    if not here and holder is not Holder.GONE and _stored_in_a_folder(run):
        patience *= PATIENCE_OF_OTHERS
    last = run.heartbeat_at or run.started_at
    return last is None or now - last > patience


def _proves_death(run: Run) -> bool:
    """True when a lock that is free here is free everywhere.

    A lock of this kernel always is. One of another kernel, or of one before the last boot, is seen only where no other
    host can have the file system: over a network a lock may stay within the host that took it.
    """
    return of_this_kernel(run.process) or (not run.process and on_this_host(run.worker)) or workspace.is_local()


def _rolls_back(run: Run) -> bool:
    """True for a restore that may have changed something: who rolls it back needs the lock that is not here."""
    return isinstance(run, RestoreExecution) and run.status == Status.RUNNING


def _stored_in_a_folder(run: Run) -> bool:
    try:
        return isinstance(run, BackupExecution) and not destination_class(run.destination.type).off_box
    except DestinationConfigError:
        return False
