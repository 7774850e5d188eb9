"""Copying a database while others write into it.

Source: https://www.sqlite.org/backup.html
"""

import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from backups.components.sqlite.connection import connected, explained, locked, opened, tolerate_schema
from backups.components.sqlite.untrusted.deadline import Checkpoint
from backups.errors import ComponentError
from backups.lib.paths import look_at

PAGES_PER_STEP = 1024
LOCK_POLL_SECONDS = 0.05


def snapshot(source: Path, target: Path, *, lock_timeout: float, checkpoint: Checkpoint) -> None:
    """Copy the committed state of `source` into the new file `target` through the online backup API.

    One read transaction on the source spans the copy. In WAL mode that blocks no writer, and because the snapshot of
    the connection does not move, commits of others never restart the copy. `checkpoint` is called after every step
    with the bytes just copied and may raise to stop.

    Raises ComponentError: locked for `lock_timeout` seconds, unreadable, corrupt, not a database.
    """
    if not stat.S_ISREG(look_at(source).st_mode):
        raise ComponentError(f"{source} is not a file.", hint="Correct the path of the component.")
    try:
        with connected(source) as reading, _scratch(target) as writing:
            page_size = _begin_reading(reading, lock_timeout, checkpoint)
            step = deadline(source, page_size, lock_timeout, checkpoint)
            reading.backup(writing, pages=PAGES_PER_STEP, progress=step, sleep=LOCK_POLL_SECONDS)
            writing.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise explained(error, source, lock_timeout) from error
    target.chmod(0o600)


@contextmanager
def _scratch(target: Path) -> Iterator[sqlite3.Connection]:
    """A new database that nobody needs after a crash: no journal, no fsync."""
    target.touch(mode=0o600, exist_ok=False)
    connection = opened(target, mode="rw")
    try:
        # the copy is exact, also of a schema that only a newer SQLite understands
        tolerate_schema(connection)
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA synchronous=OFF")
        yield connection
    finally:
        connection.close()


def _begin_reading(connection: sqlite3.Connection, lock_timeout: float, checkpoint: Checkpoint) -> int:
    """Hold a read transaction; return the size of a page in bytes."""
    until = time.monotonic() + lock_timeout
    connection.execute("BEGIN")
    while not _reads(connection, may_wait=time.monotonic() < until):
        # a wait inside SQLite could not be cancelled
        checkpoint(0)
        time.sleep(LOCK_POLL_SECONDS)
    return int(connection.execute("PRAGMA page_size").fetchone()[0])


def _reads(connection: sqlite3.Connection, *, may_wait: bool) -> bool:
    try:
        # what needs no schema, only the file
        connection.execute("PRAGMA schema_version").fetchall()
    except sqlite3.OperationalError as error:
        if may_wait and error.sqlite_errorname.startswith("SQLITE_BUSY"):
            return False
        raise
    return True


def deadline(
    path: Path, page_size: int, lock_timeout: float, checkpoint: Checkpoint
) -> Callable[[int, int, int], None]:
    """Return a progress function for ``Connection.backup``, which by itself waits for a lock for ever.

    It calls `checkpoint` with the bytes of each step, and raises ComponentError after `lock_timeout` seconds in which
    no page was copied because `path` is locked.
    """
    copied = 0
    moved_at = time.monotonic()

    def step(_status: int, remaining: int, total: int) -> None:
        nonlocal copied, moved_at
        done = (total - remaining) * page_size
        if done > copied:
            delta, copied, moved_at = done - copied, done, time.monotonic()
            checkpoint(delta)
            return
        if time.monotonic() - moved_at > lock_timeout:
            raise locked(path, lock_timeout)
        checkpoint(0)

    return step
