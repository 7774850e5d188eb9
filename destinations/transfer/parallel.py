"""Jobs side by side, for the parts of one file."""

import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context

Job = Callable[[], None]


def side_by_side(jobs: Iterator[Job], threads: int) -> None:
    """Run `jobs` in `threads` threads; one at a time takes the next job, so that `jobs` may read a file in order.

    After the first error no further job is taken; it is raised when those that run have ended.
    """
    lock = threading.Lock()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            while True:
                with lock:
                    job = None if errors else next(jobs, None)
                if job is None:
                    return
                job()
        except BaseException as error:  # raised again below
            errors.append(error)

    # daemons: one that waits for a mute peer holds up no end of the process
    helpers = [
        threading.Thread(target=copy_context().run, args=(work,), name="destination-part", daemon=True)
        for _ in range(threads - 1)
    ]
    for helper in helpers:
        helper.start()
    work()
    for helper in helpers:
        helper.join()
    if errors:
        raise errors[0]
