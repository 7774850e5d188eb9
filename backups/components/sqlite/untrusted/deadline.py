"""Running work on a database in a thread, with a timeout and cancellation.

SQLite calls no callback while it counts, searches within a value or prepares a statement, and it swallows an exception
that a signal handler raises inside a callback. Therefore the work has a thread, and the caller waits for it.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from contextlib import AbstractContextManager, suppress
from typing import Generic, TypeVar

from backups.components.sqlite.untrusted.limits import INSTRUCTIONS_PER_CALLBACK
from backups.errors import NotCheckable

Checkpoint = Callable[[int], None]
Opening = Callable[[], AbstractContextManager[sqlite3.Connection]]
Result = TypeVar("Result")

POLL_SECONDS = 0.1
INTERRUPT_SECONDS = 0.02
# how long to wait for an interrupted statement to end; a single computation in it cannot be interrupted
GRACE_SECONDS = 2.0
NO_MEMORY = "it takes more memory than a check may have"
NOT_TEXT = "a name in its schema is not UTF-8 text"


def run_with_deadline(
    opening: Opening,
    work: Callable[[sqlite3.Connection], Result],
    *,
    seconds: float,
    checkpoint: Checkpoint = lambda _: None,
) -> Result:
    """Open a database, call `work` with its connection and return the result.

    Raises NotCheckable after `seconds` or when memory runs out, and what `checkpoint` and `work` raise. A statement
    that cannot be interrupted goes on in its daemon thread until the process ends.
    """
    (result,) = run_side_by_side([(opening, work)], seconds=seconds, checkpoint=checkpoint)
    return result


def run_side_by_side(
    works: Sequence[tuple[Opening, Callable[[sqlite3.Connection], Result]]],
    *,
    seconds: float,
    checkpoint: Checkpoint = lambda _: None,
) -> list[Result]:
    """Do as `run_with_deadline` for each of `works`, in a thread each; the first error ends the others."""
    jobs = [_Job(opening, work) for opening, work in works]
    until = time.monotonic() + seconds
    try:
        for job in jobs:
            try:
                job.start()
            except RuntimeError as error:  # no memory for a thread; `stop` must not wait for it
                job.future.set_exception(error)
        checkpoint(0)
        while not _are_over(jobs, min(POLL_SECONDS, max(0, until - time.monotonic()))):
            checkpoint(0)
            if time.monotonic() >= until:
                raise _not_checkable(f"it takes longer than {round(seconds, 1):g} s")
        return [job.future.result() for job in [job for job in jobs if job.failed] or jobs]
    except MemoryError as error:
        raise _not_checkable(NO_MEMORY) from error
    except UnicodeDecodeError as error:
        raise _not_checkable(NOT_TEXT) from error
    finally:
        # all of them before the first is waited for
        for job in jobs:
            job.stopped.set()
        for job in jobs:
            job.stop()


def _are_over(jobs: "Sequence[_Job[Result]]", seconds: float) -> bool:
    """Wait up to `seconds`; return whether all `jobs` have ended, or one with an error."""
    waited = wait([job.future for job in jobs], seconds, FIRST_EXCEPTION)
    return not waited.not_done or any(job.failed for job in jobs)


def _not_checkable(reason: str) -> NotCheckable:
    return NotCheckable(f"The database cannot be read here: {reason}.", reason=reason)


class _Job(threading.Thread, Generic[Result]):
    """A thread that opens a connection, works with it and closes it."""

    def __init__(self, opening: Opening, work: Callable[[sqlite3.Connection], Result]) -> None:
        super().__init__(name="sqlite", daemon=True)
        self._opening, self._work = opening, work
        self._connection: sqlite3.Connection | None = None
        self.stopped = threading.Event()
        self.future: Future[Result] = Future()

    def run(self) -> None:
        try:
            with self._opening() as connection:
                connection.set_progress_handler(self.stopped.is_set, INSTRUCTIONS_PER_CALLBACK)
                self._connection = connection
                result = self._work(connection)
        except BaseException as error:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)

    @property
    def failed(self) -> bool:
        return self.future.done() and self.future.exception() is not None

    def stop(self) -> None:
        """Interrupt the statement that runs, and wait up to GRACE_SECONDS for its end."""
        self.stopped.set()
        until = time.monotonic() + GRACE_SECONDS
        while not self.future.done() and time.monotonic() < until:
            if self._connection is not None:
                # it may be closing
                with suppress(sqlite3.ProgrammingError):
                    self._connection.interrupt()
            wait([self.future], INTERRUPT_SECONDS)
