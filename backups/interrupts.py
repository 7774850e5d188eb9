"""Ending in good order when the process is told to end, or when its time is up."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from backups.errors import TimedOut

NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)


def _pass_over(_number: int, _frame: FrameType | None) -> None:
    """The first signal is being obeyed."""


@contextmanager
def ends_in_order(timeout: float = 0) -> Iterator[None]:
    """Turn SIGTERM into SystemExit, SIGINT into KeyboardInterrupt, the end of `timeout` seconds into TimedOut.

    What was begun is then cleaned up and recorded, so only the first of them counts: the rest must not disturb that.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _frame: FrameType | None) -> None:
        for other in NUMBERS:
            # not SIG_IGN, which a service started by a hook would inherit and never end
            signal.signal(other, _pass_over)
        if number == signal.SIGALRM:
            raise TimedOut(
                f"it ran longer than {timeout:.0f} seconds",
                hint="find out what was slow, or raise BACKUP_TIMEOUT",
            )
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in NUMBERS}
    signal.setitimer(signal.ITIMER_REAL, timeout)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def undisturbed() -> Iterator[Callable[[], None]]:
    """Hold them back meanwhile, for steps that must not stop half way; what came is handled afterwards.

    Yields a function to call where such a step may stop after all: what has come by then strikes there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    came: list[int] = []
    before = {number: signal.signal(number, lambda came_now, _frame: came.append(came_now)) for number in NUMBERS}

    def strike() -> None:
        if came:
            let_go()
            signal.raise_signal(came.pop())

    def let_go() -> None:
        while before:
            signal.signal(*before.popitem())

    try:
        yield strike
    finally:
        let_go()
        strike()
