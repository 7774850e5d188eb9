"""The number of files that this process may have open, and what is done where it does not suffice."""

import errno
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

DESCRIPTORS = Path("/proc/self/fd")
NONE_LEFT = (errno.EMFILE, errno.ENFILE)

Opened = TypeVar("Opened")


def files_left() -> int:
    """Return how many more files this process may open; 0 where that is not known."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return sys.maxsize
    try:
        # the limit is about the number of a file: one that was lowered later leaves higher ones open
        return limit - sum(int(name) < limit for name in os.listdir(DESCRIPTORS))  # noqa: PTH208 - strings are faster
    except OSError:  # not even one, or /proc is missing
        return 0


def open_relieved(
    opening: Callable[[], Opened], relieve: Callable[[], object], translated: Callable[[OSError], Exception]
) -> Opened:
    """Return what `opening` returns; where too many files are open, call `relieve`, which closes some, and try again.

    Raises what `translated` makes of the OSError of `opening`.
    """
    try:
        return opening()
    except OSError as error:
        if error.errno not in NONE_LEFT:
            raise translated(error) from error
    relieve()
    try:
        return opening()
    except OSError as error:
        raise translated(error) from error
