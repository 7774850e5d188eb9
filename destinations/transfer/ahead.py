"""Results in order, with the work for the next ones under way already: ranges of a file that is downloaded."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


def worked_ahead(jobs: Iterable[Callable[[], T]], ahead: int) -> Iterator[T]:
    """Yield what the jobs return, in their order; up to `ahead` of them run, and wait in memory, beside the caller.

    The first is alone: where only the beginning is wanted, little more is done. An error is raised at its place.
    """
    waiting: deque[Future[T]] = deque()
    for number, job in enumerate(jobs):
        waiting.append(_begun(job))
        if number == 0 or len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _begun(job: Callable[[], T]) -> "Future[T]":
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(job())
        except BaseException as error:  # raised where the result is taken
            future.set_exception(error)

    # a daemon: one that waits for a mute peer holds up no end of the process
    threading.Thread(target=copy_context().run, args=(run,), name="destination-range", daemon=True).start()
    return future
