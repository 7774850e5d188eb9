"""Work on a database with a deadline, that ends when the run is to stop.

SQLite asks nobody while it counts, searches within a value or prepares a statement, and an exception that a signal
raises inside its callbacks is lost. So the work has a thread of its own, and the caller waits beside it.
"""

import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, suppress
from typing import Generic, TypeVar

from backups.components.sqlite.untrusted.limits import INSTRUCTIONS_PER_LOOK
from backups.errors import NotCheckable

Checkpoint = Callable[[int], None]
Opening = Callable[[], AbstractContextManager[sqlite3.Connection]]
Result = TypeVar("Result")

POLL_SECONDS = 0.1
INTERRUPT_SECONDS = 0.02
# how long a statement may take to see that it was interrupted; one computation inside it cannot
GRACE_SECONDS = 2.0
NO_MEMORY = "it takes more memory than a check may have"
NOT_TEXT = "a name in its schema is not UTF-8 text"


def watched(
    opening: Opening,
    work: Callable[[sqlite3.Connection], Result],
    *,
    seconds: float,
    checkpoint: Checkpoint = lambda _: None,
) -> Result:
    """Open a database, do `work` with it and return what comes of it.

    Raises NotCheckable after `seconds` or where memory ends, what `checkpoint` raises, and what `work` raises. A
    statement that does not end then is left behind: its thread ends with the process.
    """
    job = _Job(opening, work)
    job.start()
    until = time.monotonic() + seconds
    try:
        checkpoint(0)
        while not job.ended(min(POLL_SECONDS, max(0, until - time.monotonic()))):
            checkpoint(0)
            if time.monotonic() >= until:
                raise _not_checkable(f"it takes longer than {round(seconds, 1):g} s")
        return job.result()
    except MemoryError as error:
        raise _not_checkable(NO_MEMORY) from error
    except UnicodeDecodeError as error:
        raise _not_checkable(NOT_TEXT) from error
    finally:
        job.stop()


def _not_checkable(reason: str) -> NotCheckable:
    return NotCheckable(f"The database cannot be read here: {reason}.", reason=reason)


class _Job(threading.Thread, Generic[Result]):
    """Work with a connection that this thread alone opens and closes."""

    def __init__(self, opening: Opening, work: Callable[[sqlite3.Connection], Result]) -> None:
        super().__init__(name="sqlite", daemon=True)
        self._opening, self._work = opening, work
        self._connection: sqlite3.Connection | None = None
        self._stopped = threading.Event()
        self._future: Future[Result] = Future()

    def run(self) -> None:
        try:
            with self._opening() as connection:
                connection.set_progress_handler(self._stopped.is_set, INSTRUCTIONS_PER_LOOK)
                self._connection = connection
                result = self._work(connection)
        except BaseException as error:
            self._future.set_exception(error)
        else:
            self._future.set_result(result)

    def ended(self, seconds: float) -> bool:
        return bool(wait([self._future], seconds).done)

    def result(self) -> Result:
        return self._future.result()

    def stop(self) -> None:
        """End what runs, as far as SQLite can be interrupted where it is."""
        self._stopped.set()
        until = time.monotonic() + GRACE_SECONDS
        while not self.ended(0) and time.monotonic() < until:
            if self._connection is not None:
                # it may be closing
                with suppress(sqlite3.ProgrammingError):
                    self._connection.interrupt()
            self.ended(INTERRUPT_SECONDS)
