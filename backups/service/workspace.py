"""Scratch folders of executions: private, locked while their process lives, swept when it died."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings

from backups.errors import BackupError, WorkspaceBusy
from backups.interrupts import undisturbed
from backups.service import locks

LOOKING_SECONDS = 2.0


def root() -> Path:
    """Return the folder of all workspaces, made with mode 0700 when it is absent."""
    path = Path(settings.BACKUP_WORKSPACE_ROOT)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BackupError(
            f"the workspace {path} cannot be made: {os.strerror(error.errno or 0)}",
            hint="set BACKUP_WORKSPACE_ROOT to a folder that this user may write to",
        ) from error
    return path


def _lock_path(execution_id: str) -> Path:
    return root() / f"{execution_id}.lock"


@contextmanager
def workspace(execution_id: str) -> Iterator[Path]:
    """Yield an empty 0700 folder and hold its lock; remove both whatever happens.

    The kernel drops the lock when the process dies, which is how `abandoned` knows at once.
    """
    lock = _lock_path(execution_id)
    descriptor = _acquire(lock, execution_id)
    try:
        directory = root() / execution_id
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700)
        try:
            yield directory
        finally:
            with undisturbed():
                shutil.rmtree(directory)
                lock.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _acquire(lock: Path, execution_id: str) -> int:
    """Take the lock; somebody who looks whether it is abandoned holds it for a moment only."""
    deadline = time.monotonic() + LOOKING_SECONDS
    while (descriptor := locks.acquire(lock)) is None:
        if time.monotonic() > deadline:
            raise WorkspaceBusy(f"execution {execution_id} is being worked on by another process")
        time.sleep(0.01)
    return descriptor


def is_held(execution_id: str) -> bool:
    """True while a process here works on the execution, or looks at it."""
    try:
        descriptor = locks.acquire(_lock_path(execution_id), create=False)
    except FileNotFoundError:
        return False
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def abandoned(execution_id: str) -> bool:
    """True when the execution had a workspace here and the process that held its lock is gone."""
    try:
        descriptor = locks.acquire(_lock_path(execution_id), create=False)
    except FileNotFoundError:
        return False
    if descriptor is None:
        return False
    os.close(descriptor)
    return True


def sweep(execution_id: str) -> bool:
    """Remove what a dead execution left in its workspace; False when there is nothing, or a process works in it."""
    lock = _lock_path(execution_id)
    try:
        descriptor = locks.acquire(lock, create=False)
    except FileNotFoundError:
        return False
    if descriptor is None:
        return False
    try:
        with suppress(FileNotFoundError):
            shutil.rmtree(root() / execution_id)
        lock.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
    return True


def leftovers() -> list[str]:
    """Return the ids of workspaces here whose process is gone."""
    return [path.stem for path in root().glob("*.lock") if abandoned(path.stem)]


def require_space(directory: Path, needed: int) -> None:
    """Raise BackupError unless `needed` bytes are free where `directory` lies."""
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise BackupError(
            f"the workspace {directory.parent} has {free:,} bytes free, this needs about {needed:,}",
            hint="free space there, or set BACKUP_WORKSPACE_ROOT to a larger disk",
        )
