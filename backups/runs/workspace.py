"""Scratch folders of executions: private, locked while their process lives, swept when it died."""

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
from backups.lib.os_signals import undisturbed

LOOKING_SECONDS = 2.0
WRITABLE = "see that this user may write there and that the disk is not full"


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
    stays = False
    try:
        directory = _emptied(root() / execution_id)
        try:
            yield directory
        except DatabaseProblem:
            # the row may say that this goes on: the lock without a holder says that it does not
            stays = True
            raise
        finally:
            with undisturbed():
                shutil.rmtree(directory)
                if not stays:
                    lock.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _emptied(directory: Path) -> Path:
    shutil.rmtree(directory, ignore_errors=True)
    try:
        directory.mkdir(mode=0o700)
    except OSError as error:
        raise BackupError(
            f"the workspace {directory} cannot be made: {os.strerror(error.errno or 0)}", hint=WRITABLE
        ) from error
    return directory


def _acquire(lock: Path, execution_id: str) -> int:
    """Take the lock; a process that looks whether it is abandoned holds it for a moment only."""
    deadline = time.monotonic() + LOOKING_SECONDS
    try:
        while (descriptor := locks.acquire(lock)) is None:
            if time.monotonic() > deadline:
                raise WorkspaceBusy(f"execution {execution_id} is being worked on by another process")
            time.sleep(0.01)
    except OSError as error:
        raise BackupError(f"the lock {lock} cannot be made: {os.strerror(error.errno or 0)}", hint=WRITABLE) from error
    return descriptor


def holder_of(execution_id: str) -> locks.Holder:
    """Return whether the process that works in the workspace of that execution lives, as far as can be seen here."""
    return locks.holder_of(_lock_path(execution_id))


def abandoned(execution_id: str) -> bool:
    """True when the execution had a workspace here and the process that held its lock is gone."""
    return holder_of(execution_id) is locks.Holder.GONE


def is_local() -> bool:
    """True unless workspaces lie where other hosts may work too."""
    return locks.is_local(root())


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
