"""Locks between the processes of one host. The kernel drops them when a process dies, however it dies."""

import enum
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
# of these another host may hold a lock that is not seen here: with NFS that depends on how it is mounted
REMOTE = frozenset(
    {"9p", "afs", "ceph", "cifs", "glusterfs", "gfs2", "lustre", "nfs", "nfs4", "ocfs2", "smb3", "virtiofs"}
)


class Holder(enum.Enum):
    LIVING = "a process holds the lock"
    GONE = "the file is there and nobody holds its lock"
    ABSENT = "there is no such file here"
    HIDDEN = "the file is another user's"


def holder_of(path: Path) -> Holder:
    """Look whether a process holds the lock on `path`. Several may look at once."""
    try:
        descriptor = _opened(path, fcntl.LOCK_SH, os.O_RDWR)
    except FileNotFoundError:
        return Holder.ABSENT
    except PermissionError:
        return Holder.HIDDEN
    if descriptor is None:
        return Holder.LIVING
    os.close(descriptor)
    return Holder.GONE


def is_local(path: Path, mounts: Path = MOUNTS) -> bool:
    """True unless other hosts may have the file system of `path` mounted too (proc_pid_mountinfo(5))."""
    device = path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    lines = (line.split() for line in mounts.read_text().splitlines())
    kinds = {fields[fields.index("-") + 1] for fields in lines if fields[2] == number}
    return not any(kind in REMOTE or kind.startswith("fuse") for kind in kinds)


def acquire(path: Path, *, create: bool = True) -> int | None:
    """Return a descriptor that holds the lock on `path` until it is closed, or None when another process has it.

    Raises FileNotFoundError without `create`. Children do not inherit it.
    """
    return _opened(path, fcntl.LOCK_EX, os.O_RDWR | (os.O_CREAT if create else 0))


def _opened(path: Path, how: int, flags: int) -> int | None:
    while True:
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
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
