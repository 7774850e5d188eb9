"""Sparing the time that the page cache of Linux takes for what a library writes in small pieces.

None of it is needed for the result: what cannot be done is left out, and nothing here replaces a flush.
"""

import ctypes
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

from backups.lib.filesystem.open_files import DESCRIPTORS

# of one write: the cache takes memory in pieces as large, and has to find 32 times fewer than in writes of 4 KiB; very
# large ones lie in memory that a virtual machine has given back to its host
PIECE = bytes(128 * 1024)
INTERVAL_SECONDS = 0.02
# Source: sync_file_range(2); it begins to write the pages that changed, and waits for none
SYNC_FILE_RANGE_WRITE = 2
LIBC = ctypes.CDLL(None)


def descriptors_of(*paths: Path) -> list[int]:
    """Return the descriptors through which this process has any of `paths` open; none where /proc is missing.

    Other threads may close them at any time, and open other files under their numbers.
    """
    return _open_as(_resolved(paths))


def _resolved(paths: Iterable[Path]) -> frozenset[str]:
    return frozenset(os.path.realpath(path) for path in paths)


def _open_as(resolved: Collection[str]) -> list[int]:
    found = []
    with suppress(OSError):
        # strings, of which a Path would take four times as long
        for name in os.listdir(DESCRIPTORS):  # noqa: PTH208
            # the one of this listing is closed by now
            with suppress(OSError):
                if os.readlink(f"{DESCRIPTORS}/{name}") in resolved:  # noqa: PTH115
                    found.append(int(name))
    return found


def extend_with_zeros(descriptor: int, size: int) -> None:
    """Write zeros behind the end of the file, up to `size` bytes, in large pieces.

    The small writes that come there afterwards find pages in the cache: each takes a third of the time. What lies
    before the end of the file stays as it is.
    """
    # no space left: the next small write says so
    with suppress(OSError):
        end = os.fstat(descriptor).st_size
        while end < size:
            end += os.pwrite(descriptor, PIECE[: min(len(PIECE) - end % len(PIECE), size - end)], end)


def extend_open_file(path: Path, size: int) -> None:
    """Do that with the file `path`, provided that this process has it open. Not for one with POSIX locks.

    Not through the descriptor by which it is open: another thread may close that, and its number be that of another
    file by then.
    """
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if _is_open(path, os.fstat(descriptor), but=descriptor):
                extend_with_zeros(descriptor, size)
        finally:
            os.close(descriptor)


def _is_open(path: Path, info: os.stat_result, *, but: int) -> bool:
    for descriptor in descriptors_of(path):
        with suppress(OSError):
            if descriptor != but and os.path.samestat(os.fstat(descriptor), info):
                return True
    return False


@contextmanager
def written_early(*paths: Path) -> Iterator[None]:
    """Meanwhile let the disk begin with what this process writes into the files `paths`: a flush then waits for less.

    They are found while they are open, whoever opened them.
    """
    if not hasattr(LIBC, "sync_file_range"):
        yield
        return
    # a signal that is handled inside of a Condition would leave it locked, and the thread waiting for ever
    ended = SimpleQueue[None]()
    _start(_write_early, _resolved(paths), ended)
    try:
        yield
    finally:
        ended.put(None)


def _write_early(resolved: Collection[str], ended: SimpleQueue[None]) -> None:
    while True:
        with suppress(Empty):
            ended.get(timeout=INTERVAL_SECONDS)
            return
        for descriptor in _open_as(resolved):
            # a number that was closed, or is of another file by now, does no harm; what fails here fails the flush too
            LIBC.sync_file_range(descriptor, ctypes.c_int64(0), ctypes.c_int64(0), SYNC_FILE_RANGE_WRITE)


@contextmanager
def freed_beside(path: Path) -> Iterator[None]:
    """Let the file `path`, if it is removed meanwhile, be freed by another thread afterwards.

    To free half a gigabyte takes a tenth of a second. Not for a file with POSIX locks of this process, which to close
    it would release.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        yield
    finally:
        if not _start(os.close, descriptor):
            os.close(descriptor)


def _start(work: Callable[..., None], *arguments: object) -> bool:
    """Start a thread; return False where the system has none left."""
    try:
        Thread(target=work, args=arguments, name="page-cache", daemon=True).start()
    except RuntimeError:
        return False
    return True
