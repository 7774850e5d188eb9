"""Copying a database while others write into it.

Source: https://www.sqlite.org/backup.html
"""

import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from backups.components.sqlite.connection import component_error, connected, locked_error, opened, tolerate_schema
from backups.components.sqlite.untrusted.deadline import Checkpoint
from backups.errors import ComponentError
from backups.lib.filesystem.page_cache import extend_with_zeros
from backups.lib.paths import stat_path

PAGES_PER_STEP = 1024
# room for so many more is made in the file that they are written to
PAGES_AHEAD = 4 * PAGES_PER_STEP
LOCK_POLL_SECONDS = 0.05


def snapshot(source: Path, target: Path, *, lock_timeout: float, checkpoint: Checkpoint) -> None:
    """Copy the committed state of `source` into the new file `target` through the online backup API.

    `checkpoint` is called after every step with the bytes just copied and may raise to stop. Raises ComponentError when
    the source is locked for `lock_timeout` seconds, unreadable, corrupt or not a database.
    """
    if not stat.S_ISREG(stat_path(source).st_mode):
        raise ComponentError(f"{source} is not a file.", hint="Correct the path of the component.")
    try:
        with connected(source) as reading, _scratch(target) as (writing, descriptor):
            # One read transaction spans the copy. In WAL mode it blocks no writer, and commits of others do not restart
            # the copy, because the connection keeps its snapshot.
            until = time.monotonic() + lock_timeout
            reading.execute("BEGIN")
            while not _can_read(reading, may_wait=time.monotonic() < until):
                # a wait inside SQLite could not be cancelled
                checkpoint(0)
                time.sleep(LOCK_POLL_SECONDS)
            page_size = int(reading.execute("PRAGMA page_size").fetchone()[0])
            advance = deadline(source, page_size, lock_timeout, checkpoint)

            def step(status: int, remaining: int, total: int) -> None:
                advance(status, remaining, total)
                if remaining:
                    extend_with_zeros(descriptor, pages_ahead(remaining, total) * page_size)

            reading.backup(writing, pages=PAGES_PER_STEP, progress=step, sleep=LOCK_POLL_SECONDS)
            writing.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise component_error(error, source, lock_timeout, copy=target) from error
    target.chmod(0o600)


@contextmanager
def _scratch(target: Path) -> Iterator[tuple[sqlite3.Connection, int]]:
    """Open the new database `target` for writing, without a journal and fsync: after a crash it is discarded.

    Yields a descriptor of it too.
    """
    descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        # closed first: to close the descriptor releases the locks of SQLite
        with closing(opened(target, mode="rw")) as connection:
            # the copy is exact, also of a schema that only a newer SQLite can parse
            tolerate_schema(connection)
            connection.execute("PRAGMA journal_mode=OFF")
            connection.execute("PRAGMA synchronous=OFF")
            yield connection, descriptor
    finally:
        os.close(descriptor)


def _can_read(connection: sqlite3.Connection, *, may_wait: bool) -> bool:
    try:
        # reads the file, but does not parse the schema
        connection.execute("PRAGMA schema_version").fetchall()
    except sqlite3.OperationalError as error:
        if may_wait and error.sqlite_errorname.startswith("SQLITE_BUSY"):
            return False
        raise
    return True


def pages_ahead(remaining: int, total: int) -> int:
    """Return the number of pages for which the file that a backup writes is to have room, ahead of the next steps.

    Never more than `total`: SQLite would take what lies beyond the end for pages.
    """
    return min(total - remaining + PAGES_AHEAD, total)


def deadline(
    path: Path, page_size: int, lock_timeout: float, checkpoint: Checkpoint
) -> Callable[[int, int, int], None]:
    """Return a progress function for ``Connection.backup``, which has no timeout for locks of its own.

    It calls `checkpoint` with the bytes of each step, and raises ComponentError when no page was copied for
    `lock_timeout` seconds because `path` is locked.
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
            raise locked_error(path, lock_timeout)
        checkpoint(0)

    return step
