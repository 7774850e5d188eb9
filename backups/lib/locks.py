"""Locks between the processes of one host, by flock(2): the kernel releases them when the process ends."""

import enum
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from backups.errors import BackupError

MOUNTS = Path("/proc/self/mountinfo")
# network and cluster file systems: a lock held on another host may not be visible here (NFS: depends on mount options)
REMOTE = frozenset(
    {"9p", "afs", "ceph", "cifs", "glusterfs", "gfs2", "lustre", "nfs", "nfs4", "ocfs2", "smb3", "virtiofs"}
)


class Holder(enum.Enum):
    """Whether a lock file is locked."""

    LIVING = "a process holds the lock"
    GONE = "the file exists and no process holds its lock"
    ABSENT = "the file does not exist on this host"
    HIDDEN = "the file belongs to another user"


def holder_of(path: Path) -> Holder:
    """Return whether a process holds the exclusive lock on `path`."""
    try:
        # a shared lock, so that concurrent checks do not take each other for the holder
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
    """True unless `path` is on a network, cluster or FUSE file system (proc_pid_mountinfo(5))."""
    device = path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    lines = (line.split() for line in mounts.read_text().splitlines())
    kinds = {fields[fields.index("-") + 1] for fields in lines if fields[2] == number}
    return not any(kind in REMOTE or kind.startswith("fuse") for kind in kinds)


def acquire(path: Path, *, create: bool = True) -> int | None:
    """Return a descriptor that holds the lock on `path` until it is closed, or None when another process holds it.

    The descriptor is close-on-exec. Without `create`, raises FileNotFoundError when the file is missing.
    """
    return _opened(path, fcntl.LOCK_EX, os.O_RDWR | (os.O_CREAT if create else 0))


def _opened(path: Path, how: int, flags: int) -> int | None:
    while True:
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
            # The previous holder may have removed the file when it released the lock. Ours is then on a file that no
            # other process can open by its name: try again with the file that has the name now.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold the lock on `path` in the block; yields False when another process holds it.

    Raises BackupError when the file cannot be opened.
    """
    try:
        descriptor = acquire(path)
    except OSError as error:
        raise BackupError(
            f"The lock {path} cannot be opened: {os.strerror(error.errno or 0)}.",
            hint="Run this as the user that runs the workers, and check that the disk is not full.",
        ) from error
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)
