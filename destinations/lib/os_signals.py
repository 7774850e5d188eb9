"""Ending in good order when the process is told to end: by a signal, by a closed terminal, by a limit. Plain Python."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# Each ends a process in the middle of what it does. SIGHUP comes when the terminal or the SSH session closes, SIGQUIT
# from Ctrl-\, SIGXCPU at a limit of CPU seconds, and the last two from those who take us for another program.
ENDING = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGXCPU,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
TOLD_TO_END = "the process was told to end"
_USUAL = (signal.SIGTERM, signal.SIGINT)
_MEANING = {signal.SIGHUP: "SIGHUP: its terminal was closed", signal.SIGXCPU: "SIGXCPU: its limit of CPU time"}
Handler = Callable[[int, FrameType | None], object]


class ToldToEnd(SystemExit):
    """A signal told the process to end; its exit status is 128 and the number of the signal, as shells count."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = signal.Signals(number)


def told_to_end(error: BaseException) -> str:
    """Return the sentence for the operator."""
    if isinstance(error, ToldToEnd) and error.number not in _USUAL:
        return f"{TOLD_TO_END} ({_MEANING.get(error.number, error.number.name)})"
    return TOLD_TO_END


def exit_status(error: BaseException) -> int:
    """Return the exit status of a process that `error`, a KeyboardInterrupt or a SystemExit, ends."""
    if isinstance(error, KeyboardInterrupt):
        return 128 + signal.SIGINT
    code = getattr(error, "code", 1)
    return code if isinstance(code, int) else 1


def heeded(numbers: tuple[signal.Signals, ...] = ENDING) -> list[signal.Signals]:
    """Return those of `numbers` that the process does not ignore: `nohup` and `&` have it ignore some, and mean it."""
    return [number for number in numbers if signal.getsignal(number) not in (signal.SIG_IGN, None)]


def pass_over(_number: int, _frame: FrameType | None) -> None:
    """The first signal is being obeyed."""


@contextmanager
def handled(
    handler: Handler, numbers: tuple[signal.Signals, ...] = ENDING, *, restore: Callable[[], bool] = lambda: True
) -> Iterator[None]:
    """Call `handler` for each of `numbers` that is not ignored. Does nothing in a thread, which gets no signals.

    Afterwards what handled them before does so again, or where `restore` says no, for a process that ends, nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in heeded(numbers)}
    try:
        yield
    finally:
        again = restore()
        for number, previous in before.items():
            # Python puts the default back when it ends, in place of handlers, and that would kill
            signal.signal(number, previous if again else signal.SIG_IGN)


@contextmanager
def ends_in_order(
    timeout: float = 0, timed_out: Callable[[], Exception] = TimeoutError, *, once: bool = False
) -> Iterator[None]:
    """Turn SIGINT into KeyboardInterrupt, other signals of `ENDING` into ToldToEnd, the end of `timeout` seconds into
    what `timed_out` returns.

    What was begun is then cleaned up and recorded, so only the first of them counts: the rest must not disturb that.
    With `once` they do not count after the block either, for a process that is about to end.
    """
    told: list[int] = []
    numbers = (*ENDING, signal.SIGALRM) if timeout else ENDING

    def leave(number: int, _frame: FrameType | None) -> None:
        for other in heeded(numbers):
            # not SIG_IGN, which a service started by a hook would inherit and never end
            signal.signal(other, pass_over)
        told.append(number)
        if number == signal.SIGALRM:
            raise timed_out()
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise ToldToEnd(number)

    with handled(leave, numbers, restore=lambda: not (once and told)), _alarm(timeout):
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
def undisturbed() -> Iterator[Callable[[], None]]:
    """Hold them back meanwhile, for steps that must not stop half way; what came is handled afterwards.

    Yields a function to call where such a step may stop after all: what has come by then takes effect there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda came_now, _frame: came.append(came_now))
        for number in heeded((*ENDING, signal.SIGALRM))
    }

    def take_effect() -> None:
        if came:
            let_go()
        while came:
            signal.raise_signal(came.pop(0))

    def let_go() -> None:
        while before:
            signal.signal(*before.popitem())

    try:
        yield take_effect
    finally:
        let_go()
        take_effect()
