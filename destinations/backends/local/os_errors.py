"""Operating system errors as sentences, in one place for every type that stores through a file system."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from destinations.exceptions import DestinationError, DestinationFull, DestinationUnavailable

_FREE_SPACE = "Free some space there, keep backups for fewer days, or use another destination."
_PERMISSIONS = "Give the user that runs backupsite (uid {uid}) read and write access to it."
_DISK = "The disk or network mount is failing: look into the system log before relying on this destination."
_MOUNT = "Check that the disk or network share is mounted and its server is up, then test the destination again."
_REAL_FOLDER = "Symbolic links are never followed inside BACKUP_ROOT: use real folders or a bind mount."

_KNOWN: dict[int, tuple[type[DestinationError], str, str]] = {
    errno.ENOSPC: (DestinationFull, "no space is left", _FREE_SPACE),
    errno.EDQUOT: (DestinationFull, "the disk quota is used up", _FREE_SPACE),
    errno.EFBIG: (DestinationFull, "the file is larger than the file system or a limit allows", _FREE_SPACE),
    errno.EROFS: (DestinationUnavailable, "the file system is read-only", "Mount it writable. " + _DISK),
    errno.EACCES: (DestinationUnavailable, "permission denied", _PERMISSIONS),
    errno.EPERM: (DestinationUnavailable, "the operation is not permitted", _PERMISSIONS),
    errno.ENOENT: (DestinationUnavailable, "it does not exist", _MOUNT),
    errno.ENOTDIR: (DestinationUnavailable, "it is a symbolic link or not a folder", _REAL_FOLDER),
    errno.ELOOP: (DestinationUnavailable, "it is a symbolic link", _REAL_FOLDER),
    errno.EIO: (DestinationUnavailable, "input/output error", _DISK),
    errno.ESTALE: (DestinationUnavailable, "the network share was replaced or unexported (stale handle)", _MOUNT),
    errno.ENOTCONN: (DestinationUnavailable, "the mount is no longer connected", _MOUNT),
    errno.ENODEV: (DestinationUnavailable, "the device is gone", _MOUNT),
    errno.ENXIO: (DestinationUnavailable, "the device is gone", _MOUNT),
    errno.EHOSTDOWN: (DestinationUnavailable, "the file server is down", _MOUNT),
    errno.ETIMEDOUT: (DestinationUnavailable, "the file server does not answer", _MOUNT),
}


def from_os_error(error: OSError, action: str, where: str) -> DestinationError:
    """Return the error an operator reads for `error`, met while trying to `action` (a verb and its object) `where`."""
    unknown = (DestinationUnavailable, error.strerror or "unknown error", _MOUNT)
    kind, reason, hint = _KNOWN.get(error.errno or 0, unknown)
    return kind(f"Cannot {action} {where}: {reason}.", hint.format(uid=os.geteuid()))


@contextmanager
def translated(action: str, where: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise from_os_error(error, action, where) from error
