"""Work that may block, in a thread of its own beside a watch.

A library waits for its peer without an end that we choose: the watch tells progress, ends the work within a second of
a cancel or a signal, and ends it when nothing has moved for too long.
"""

import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from typing import Generic, TypeVar

from destinations.transfer.blocks import Progress
from destinations.transfer.limits import Throttle

POLL_SECONDS = 0.2
# how long work that was told to stop may take to leave its thread before it is left behind
GRACE_SECONDS = 1.0

T = TypeVar("T")


class Aborted(BaseException):
    """Ends the work in its thread: nobody waits for its result any more."""


class Foreign(BaseException):
    """Carries an error of the caller's source or sink unchanged through the code of a library."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(repr(error))
        self.error = error


class Meter:
    """Counts the bytes that move, for the thread that works and for the one that watches."""

    def __init__(self, throttle: Throttle | None = None) -> None:
        self._throttle = throttle
        self._lock = threading.Lock()
        # of its own: a thread that waits for the limit holds the other one
        self._count_lock = threading.Lock()
        self._moved = 0
        self._alive_at = time.monotonic()
        self._stopped = False

    def checkpoint(self) -> None:
        """Say that the work is alive. Raises `Aborted` when it is to end."""
        self._alive_at = time.monotonic()
        if self._stopped:
            raise Aborted

    def count(self, moved: int) -> None:
        """Count `moved` bytes and hold the limit; a negative number takes back what is sent again."""
        self.pace(moved)
        self.adjust(moved)

    def pace(self, moved: int) -> None:
        """Hold the limit for bytes that are no progress, such as those that are read back."""
        self.checkpoint()
        if self._throttle is not None and moved > 0:
            with self._lock:
                self._throttle.pace(moved, checkpoint=self.checkpoint)

    def adjust(self, moved: int) -> None:
        """Count bytes that no limit holds back: they were sent before, or are sent again."""
        with self._count_lock:
            self._moved += moved

    def stop(self) -> None:
        self._stopped = True

    def take(self) -> int:
        """Return what was counted since the last call."""
        with self._count_lock:
            moved, self._moved = self._moved, 0
        return moved

    def idle_seconds(self) -> float:
        return time.monotonic() - self._alive_at


class _Outcome(Generic[T]):
    value: T
    error: BaseException | None = None


def watched(
    work: Callable[[], T],
    *,
    meter: Meter,
    abort: Callable[[], None],
    stalled_after: float,
    stalled: Callable[[], Exception],
    progress: Progress | None = None,
) -> T:
    """Return what `work` returns, or raise what it raises.

    `progress` is called in this thread with what the meter counted, and with 0 while nothing moves. When it raises, on
    a signal, and after `stalled_after` seconds without a byte (then with the error of `stalled`), the meter is stopped
    and `abort` is called, which is to make the work fail: it closes its connection.
    """
    outcome: _Outcome[T] = _Outcome()
    done = threading.Event()

    def run() -> None:
        try:
            outcome.value = work()
        except BaseException as error:  # it is raised again in the thread that watches
            outcome.error = error
        finally:
            done.set()

    meter.checkpoint()
    threading.Thread(target=copy_context().run, args=(run,), name="destination", daemon=True).start()
    try:
        while not done.wait(POLL_SECONDS):
            if progress:
                progress(meter.take())
            if meter.idle_seconds() > stalled_after:
                raise stalled()
    except BaseException:
        meter.stop()
        abort()
        done.wait(GRACE_SECONDS)
        raise
    if isinstance(outcome.error, Foreign):
        raise outcome.error.error
    if outcome.error is not None:
        raise outcome.error
    if progress and (rest := meter.take()):
        progress(rest)
    return outcome.value
