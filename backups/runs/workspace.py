"""Scratch folders of runs: private, locked while their process lives, removed by a sweep after it died."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings
from django.db import Error as DatabaseProblem

from backups.errors import BackupError, WorkspaceBusy
from backups.lib import locks
from backups.lib.filesystem.folders import remove_tree
from backups.lib.os_signals import defer_signals

LOCK_WAIT_SECONDS = 2.0
WRITABLE = "Check that this user may write there and that the disk is not full."


def root() -> Path:
    """Return the folder of all workspaces, and create it with mode 0700 when it does not exist."""
    path = Path(settings.BACKUP_WORKSPACE_ROOT)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BackupError(
            f"The workspace {path} cannot be created: {os.strerror(error.errno or 0)}.",
            hint="Set BACKUP_WORKSPACE_ROOT to a folder that this user may write to.",
        ) from error
    return path


def _lock_path(run_id: str) -> Path:
    return root() / f"{run_id}.lock"


@contextmanager
def workspace(run_id: str) -> Iterator[Path]:
    """Yield an empty folder with mode 0700 and hold its lock; remove both at the end.

    The kernel releases the lock when the process dies: `abandoned` depends on that.
    """
    lock = _lock_path(run_id)
    # before the folder: one without a holder is swept
    descriptor = _acquire(lock, run_id)
    lock_stays = False
    try:
        directory = root() / run_id
        # of an earlier process with this run, which died: the lock is ours now
        with suppress(OSError):  # what stays is reported by `mkdir`
            remove_tree(directory)
        try:
            directory.mkdir(mode=0o700)
        except OSError as error:
            raise BackupError(
                f"The workspace {directory} cannot be created: {os.strerror(error.errno or 0)}.", hint=WRITABLE
            ) from error
        try:
            yield directory
        except DatabaseProblem:
            # the row may still say that the run is running; the lock file without a holder lets the reaper end it
            lock_stays = True
            raise
        finally:
            # a signal in between would leave data of the service on the disk
            with defer_signals():
                remove_tree(directory)
                if not lock_stays:
                    lock.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _acquire(lock: Path, run_id: str) -> int:
    """Take the lock; raises WorkspaceBusy when another process keeps it."""
    deadline = time.monotonic() + LOCK_WAIT_SECONDS
    try:
        while (descriptor := locks.acquire(lock)) is None:
            if time.monotonic() > deadline:
                raise WorkspaceBusy(f"Another process is working on the run {run_id}.")
            # a process that looks for abandoned workspaces holds the lock for a moment
            time.sleep(0.01)
    except OSError as error:
        raise BackupError(
            f"The lock {lock} cannot be created: {os.strerror(error.errno or 0)}.", hint=WRITABLE
        ) from error
    return descriptor


def holder_of(run_id: str) -> locks.Holder:
    """Return what the lock of that workspace says of its process, as far as this host can see."""
    return locks.holder_of(_lock_path(run_id))


def abandoned(run_id: str) -> bool:
    """True when the run has a workspace here and the process that held its lock is gone."""
    return holder_of(run_id) is locks.Holder.GONE


def is_local() -> bool:
    """True unless the workspaces are on a file system that other hosts may share."""
    return locks.is_local(root())


def sweep(run_id: str) -> bool:
    """Remove the workspace of a dead run; False when there is none, or a process works in it."""
    lock = _lock_path(run_id)
    try:
        descriptor = locks.acquire(lock, create=False)
    except FileNotFoundError:
        return False
    if descriptor is None:
        return False
    try:
        with suppress(FileNotFoundError):
            remove_tree(root() / run_id)
        lock.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
    return True


def abandoned_ids() -> list[str]:
    """Return the ids of workspaces here whose process is gone."""
    return [path.stem for path in root().glob("*.lock") if abandoned(path.stem)]


def require_space(directory: Path, needed: int) -> None:
    """Raise BackupError unless `needed` bytes are free where `directory` lies."""
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise BackupError(
            f"The workspace {directory.parent} has {free:,} bytes free, this needs about {needed:,}.",
            hint="Free space there, or set BACKUP_WORKSPACE_ROOT to a larger disk.",
        )
