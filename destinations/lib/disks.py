"""The disk that holds a path, for errors that ask for space. Plain Python."""

import errno
import os
from pathlib import Path

from destinations.lib.formats import human_size

# what shares and FUSE answer to an fsync of a folder that they do not have; they write names through at once
NO_FOLDER_FSYNC = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.ENOENT, errno.ENOTTY, errno.EACCES, errno.EPERM}


def fsync_folder(descriptor: int) -> None:
    """Flush the names in the open folder to the disk, where its file system can do that."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_FOLDER_FSYNC:
            raise


def existing(path: Path) -> Path:
    """Return `path`, or its nearest parent that exists."""
    path = path.absolute()
    return next((folder for folder in (path, *path.parents) if os.path.lexists(folder)), path)


def mount_point(path: Path) -> Path:
    """Return the mount point of the file system that holds `path`, or will hold it once it is made."""
    found = existing(path).resolve()
    device = found.stat().st_dev
    while found.parent != found and found.parent.stat().st_dev == device:
        found = found.parent
    return found


def free_bytes(path: Path) -> int:
    """Return the bytes that this user may still write where `path` lies."""
    space = os.statvfs(existing(path))
    return space.f_bavail * space.f_frsize


def space_hint(*paths: Path) -> str:
    """Return the hint to free space on the fullest of the disks that hold `paths`."""
    try:
        free, path = min((free_bytes(path), path) for path in paths)
        return f"Free space on the disk that is mounted at {mount_point(path)}: it has {human_size(free)} free."
    except OSError:  # it belongs to an error that is reported in any case
        return f"Free space where {paths[0]} lies."


def write_hint(error: OSError, *paths: Path) -> str:
    """Return the hint for `error`, met while `paths` were written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return space_hint(*paths)
    return "Check that this user may write there, and the log of the system for a disk that fails."
