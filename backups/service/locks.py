"""Locks between the processes of one host. The kernel drops them when a process dies, however it dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def acquire(path: Path, *, create: bool = True) -> int | None:
    """Return a descriptor that holds the lock on `path` until it is closed, or None when another process has it.

    Raises FileNotFoundError without `create`. Children do not inherit it.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _still_there(descriptor, path):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _still_there(descriptor: int, path: Path) -> bool:
    """A holder may remove the file as it lets go: then our lock is on a file that nobody else will find."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold the lock on `path` meanwhile; yields False when another process has it."""
    descriptor = acquire(path)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)
