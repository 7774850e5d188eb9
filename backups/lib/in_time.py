"""Reading files that may lie on a mount that does not answer, such as a share whose server is away."""

from collections.abc import Callable
from threading import Thread
from typing import TypeVar

from backups.errors import Unresponsive
from destinations.lib.formats import counted

T = TypeVar("T")

# seconds; a file system that works answers in milliseconds, a spun-down disk in a few seconds
PATIENCE = 5.0

# by the `whose` of the reading; the kernel ends such a thread when the mount answers or is removed
_stuck: dict[str, Thread] = {}


def in_time(whose: str, read: Callable[[], T], *, seconds: float | None = None) -> T:
    """Return what `read` returns, and raise what it raises. Raises Unresponsive after `seconds`, by default PATIENCE.

    `whose` names what is read. While an earlier reading for it is stuck, the next one is refused at once. `read` runs
    in a thread of its own, and so must not use the database.
    """
    seconds = PATIENCE if seconds is None else seconds
    if (earlier := _stuck.get(whose)) is not None and earlier.is_alive():
        raise _unresponsive(whose, seconds)
    _stuck.pop(whose, None)
    values: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            values.append(read())
        # raised again by the caller
        except BaseException as error:
            errors.append(error)

    # a daemon: the process can end while the mount does not answer
    thread = Thread(target=run, name=f"read-{whose}", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        _stuck[whose] = thread
        raise _unresponsive(whose, seconds)
    if errors:
        raise errors[0]
    return values[0]


def _unresponsive(whose: str, seconds: float) -> Unresponsive:
    return Unresponsive(
        f"The files of {whose} do not answer within {counted(round(seconds), 'second')}.",
        hint="Look at the mount that holds them: the server or disk behind it is away or very slow.",
    )
