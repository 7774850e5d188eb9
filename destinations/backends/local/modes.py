"""The modes of files and folders, on file systems that have them."""

import errno
import logging
import os

logger = logging.getLogger(__name__)

_NO_MODES = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
_MOUNT_OPTIONS = "Who may read the archives is decided by the options of the mount, such as umask=077."
# file systems that were reported to have no modes, by device
_without_modes: set[int] = set()


def restrict(descriptor: int, mode: int, where: str) -> None:
    """Set the mode, where the file system has modes: a share may give every file those of its mount."""
    try:
        os.fchmod(descriptor, mode)
    except OSError as error:
        if error.errno not in _NO_MODES:
            raise
        device = os.fstat(descriptor).st_dev
        if device not in _without_modes:
            _without_modes.add(device)
            logger.warning("destination.no-modes file=%s hint=%r", where, _MOUNT_OPTIONS)
