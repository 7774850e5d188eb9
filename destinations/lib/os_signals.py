"""Graceful termination by a signal: SIGTERM, a closed terminal, a resource limit, a timeout. Plain Python."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# The default action of each ends the process at once. SIGHUP comes when the terminal or the SSH session closes, SIGQUIT
# from Ctrl-\, SIGXCPU at a limit of CPU seconds, and the last two from tools meant for another program.
TERMINATION_SIGNALS = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGXCPU,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
TERMINATION_TEXT = "The process was told to end"
_USUAL = (signal.SIGTERM, signal.SIGINT)
_MEANING = {signal.SIGHUP: "SIGHUP: its terminal was closed", signal.SIGXCPU: "SIGXCPU: its limit of CPU time"}
Handler = Callable[[int, FrameType | None], object]


class TerminationRequested(SystemExit):
    """Raised by a signal of `TERMINATION_SIGNALS`; the exit status is 128 plus its number, as in shells."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = signal.Signals(number)


def termination_message(error: BaseException) -> str:
    """Return the reason for an operator, with the signal where that is not an ordinary one."""
    if isinstance(error, TerminationRequested) and error.number not in _USUAL:
        return f"{TERMINATION_TEXT} ({_MEANING.get(error.number, error.number.name)})."
    return f"{TERMINATION_TEXT}."


def exit_status(error: BaseException) -> int:
    """Return the exit status of a process that `error`, a KeyboardInterrupt or a SystemExit, ends."""
    if isinstance(error, KeyboardInterrupt):
        return 128 + signal.SIGINT
    code = getattr(error, "code", 1)
    return code if isinstance(code, int) else 1


def not_ignored(numbers: tuple[signal.Signals, ...] = TERMINATION_SIGNALS) -> list[signal.Signals]:
    """Return those of `numbers` that the process does not ignore: `nohup` and `&` set some to be ignored."""
    return [number for number in numbers if signal.getsignal(number) not in (signal.SIG_IGN, None)]


def ignore_signal(_number: int, _frame: FrameType | None) -> None:
    """A handler for signals after the first, whose clean-up must not be disturbed."""


@contextmanager
def signal_handler(
    handler: Handler,
    numbers: tuple[signal.Signals, ...] = TERMINATION_SIGNALS,
    *,
    restore: Callable[[], bool] = lambda: True,
) -> Iterator[None]:
    """Call `handler` for each of `numbers` that is not ignored. Does nothing outside the main thread.

    Afterwards the previous handlers are set again; where `restore` returns False, for a process that is about to end,
    the signals are ignored instead.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in not_ignored(numbers)}
    try:
        yield
    finally:
        again = restore()
        for number, previous in before.items():
            # at exit Python replaces handlers by the default action, which would kill; SIG_IGN stays
            signal.signal(number, previous if again else signal.SIG_IGN)


@contextmanager
def graceful_termination(
    timeout: float = 0, timed_out: Callable[[], Exception] = TimeoutError, *, once: bool = False
) -> Iterator[None]:
    """Turn SIGINT into KeyboardInterrupt, other signals of `TERMINATION_SIGNALS` into TerminationRequested, the end of
    `timeout` seconds into what `timed_out` returns.

    Only the first of them is raised: later ones must not disturb the clean-up. With `once` they are ignored after
    the block too, for a process that is about to end.
    """
    received: list[int] = []
    numbers = (*TERMINATION_SIGNALS, signal.SIGALRM) if timeout else TERMINATION_SIGNALS

    def leave(number: int, _frame: FrameType | None) -> None:
        for other in not_ignored(numbers):
            # not SIG_IGN: a service started by a hook would inherit it and could not be terminated
            signal.signal(other, ignore_signal)
        received.append(number)
        if number == signal.SIGALRM:
            raise timed_out()
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise TerminationRequested(number)

    with signal_handler(leave, numbers, restore=lambda: not (once and received)), _alarm(timeout):
        yield


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    if not seconds or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def defer_signals() -> Iterator[Callable[[], None]]:
    """Defer `TERMINATION_SIGNALS` and timeouts until the block ends, for steps that must not stop half way.

    Yields a function to call where such a step may stop after all: it handles the signals received until then.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    pending: list[int] = []
    before = {
        number: signal.signal(number, lambda received, _frame: pending.append(received))
        for number in not_ignored((*TERMINATION_SIGNALS, signal.SIGALRM))
    }

    def take_effect() -> None:
        if pending:
            restore_handlers()
        while pending:
            signal.raise_signal(pending.pop(0))

    def restore_handlers() -> None:
        while before:
            signal.signal(*before.popitem())

    try:
        yield take_effect
    finally:
        restore_handlers()
        take_effect()
