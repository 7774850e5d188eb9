"""What a connection to a file of unknown origin may use.

A schema is a program: generated columns, indexes on expressions, views and virtual tables are computed when a database
is checked, counted or read. Source: https://www.sqlite.org/limits.html, https://www.sqlite.org/security.html
"""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from django.conf import settings

from backups.lib.paths import bytes_of

BYTES_PER_SECOND = 5_000_000  # that the slowest disk reads
INSTRUCTIONS_PER_LOOK = 100_000  # of SQLite's virtual machine: about a millisecond
# of all that SQLite holds in this process, where it knows no other limit
HEAP_BYTES = 1 << 30
# of one value, where something is computed: some are held at a time, and a search within one cannot be interrupted
COMPUTED_BYTES = 4_000_000
# of one value, where all that is read lies in the file: what SQLite allows
STORED_BYTES = 2**31 - 1
# how large a schema may be: what SQLite itself allows by default, so that no service's database is refused
LIMITS = {
    "SQLITE_LIMIT_SQL_LENGTH": 1_000_000,
    "SQLITE_LIMIT_COLUMN": 2_000,
    "SQLITE_LIMIT_EXPR_DEPTH": 1_000,
    "SQLITE_LIMIT_COMPOUND_SELECT": 500,
    "SQLITE_LIMIT_FUNCTION_ARG": 127,
    # a check of 10,000 tables in one statement takes about a million; each is 24 bytes
    "SQLITE_LIMIT_VDBE_OP": 5_000_000,
    # a pattern is compared in one step, which cannot be interrupted
    "SQLITE_LIMIT_LIKE_PATTERN_LENGTH": 1_000,
    "SQLITE_LIMIT_TRIGGER_DEPTH": 100,
    "SQLITE_LIMIT_WORKER_THREADS": 0,
}


def patience(path: Path) -> float:
    """Return how many seconds the work on `path` may take: BACKUP_CHECK_TIMEOUT, and more for a large file."""
    return float(settings.BACKUP_CHECK_TIMEOUT) + bytes_of(path) / BYTES_PER_SECOND


def restrain(connection: sqlite3.Connection, *, seconds: float, attached: int) -> None:
    """Set the limits of `connection`, which may attach so many other databases and computes for so long."""
    until = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > until, INSTRUCTIONS_PER_LOOK)
    for name, limit in (LIMITS | {"SQLITE_LIMIT_ATTACHED": attached}).items():
        _set(connection, name, limit)
    limit_values(connection, COMPUTED_BYTES)
    # functions that may do more than compute are refused in a schema
    connection.execute("PRAGMA trusted_schema=OFF")
    # a page whose cells lie outside it is damage at once, not a read beyond it later
    connection.execute("PRAGMA cell_size_check=ON")
    if not hasattr(connection, "setlimit"):
        connection.execute(f"PRAGMA hard_heap_limit={HEAP_BYTES}")


def limit_values(connection: sqlite3.Connection, size: int) -> None:
    """Let no value that `connection` reads or computes have more than `size` bytes."""
    _set(connection, "SQLITE_LIMIT_LENGTH", size)


def _set(connection: sqlite3.Connection, name: str, limit: int) -> None:
    # a replacement of the standard module, such as pysqlite3, may have none to set: the deadline and the heap remain
    setlimit: Callable[[int, int], int] | None = getattr(connection, "setlimit", None)
    if setlimit is not None:
        setlimit(getattr(sqlite3, name), limit)
