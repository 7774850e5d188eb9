"""Errors of storages that are none of the network, as an operator reads them."""

import errno

from destinations.exceptions import DestinationError, DestinationFull, DestinationUnavailable, NotFound

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def explain(error: Exception, action: str, where: str) -> DestinationError:
    if isinstance(error, FileNotFoundError):
        return NotFound(f"Cannot {action} at {where}: it is not there.", "See what is listed there.")
    if isinstance(error, NotImplementedError):
        return DestinationUnavailable(
            f"Cannot {action} at {where}: its package does not implement that.",
            "Use a storage that can store, open, list and delete files and say how large they are.",
        )
    if isinstance(error, OSError) and error.errno in _FULL:
        return DestinationFull(
            f"Cannot {action} at {where}: {error.strerror}.", "Free some space there, or keep backups for fewer days."
        )
    reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    # texts of packages may hold a password
    return DestinationUnavailable(
        f"Cannot {action} at {where}: the storage failed ({reason}).",
        "See the OPTIONS of the alias in STORAGES, and the documentation of its package.",
    )
