"""Limits of a connection to a database of unknown origin.

Checking, counting and reading evaluate generated columns, indexes on expressions, views and virtual tables, which the
schema may fill with any expression. Source: https://www.sqlite.org/limits.html, https://www.sqlite.org/security.html
"""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from django.conf import settings

from backups.lib.paths import size_or_zero

BYTES_PER_SECOND = 5_000_000  # read rate of the slowest disk
INSTRUCTIONS_PER_CALLBACK = 100_000  # of SQLite's virtual machine: about a millisecond
# of all memory of SQLite in this process, used where `setlimit` is missing
HEAP_BYTES = 1 << 30
# of one value, where values are computed: several are held at a time, and a search within one cannot be interrupted
COMPUTED_BYTES = 4_000_000
# of one value, where all values are stored in the file: SQLite's maximum
STORED_BYTES = 2**31 - 1
# of the schema: SQLite's defaults, so that no service's database is refused
LIMITS = {
    "SQLITE_LIMIT_SQL_LENGTH": 1_000_000,
    "SQLITE_LIMIT_COLUMN": 2_000,
    "SQLITE_LIMIT_EXPR_DEPTH": 1_000,
    "SQLITE_LIMIT_COMPOUND_SELECT": 500,
    "SQLITE_LIMIT_FUNCTION_ARG": 127,
    # a check of 10,000 tables in one statement takes about a million; each is 24 bytes
    "SQLITE_LIMIT_VDBE_OP": 5_000_000,
    # comparing a pattern is one step, which cannot be interrupted
    "SQLITE_LIMIT_LIKE_PATTERN_LENGTH": 1_000,
    "SQLITE_LIMIT_TRIGGER_DEPTH": 100,
    "SQLITE_LIMIT_WORKER_THREADS": 0,
}


def time_limit(path: Path) -> float:
    """Return how many seconds work on `path` may take: BACKUP_CHECK_TIMEOUT, and more for a large file."""
    return float(settings.BACKUP_CHECK_TIMEOUT) + size_or_zero(path) / BYTES_PER_SECOND


def set_limits(connection: sqlite3.Connection, *, seconds: float, attached: int) -> None:
    """Set the limits of `connection`, which may compute for `seconds` and attach that many other databases."""
    until = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > until, INSTRUCTIONS_PER_CALLBACK)
    for name, limit in (LIMITS | {"SQLITE_LIMIT_ATTACHED": attached}).items():
        _set(connection, name, limit)
    limit_values(connection, COMPUTED_BYTES)
    # no functions with side effects in the schema
    connection.execute("PRAGMA trusted_schema=OFF")
    # report a page whose cells lie outside it as damage, instead of reading beyond it later
    connection.execute("PRAGMA cell_size_check=ON")
    if not hasattr(connection, "setlimit"):
        connection.execute(f"PRAGMA hard_heap_limit={HEAP_BYTES}")


def limit_values(connection: sqlite3.Connection, size: int) -> None:
    """Limit each value that `connection` reads or computes to `size` bytes."""
    _set(connection, "SQLITE_LIMIT_LENGTH", size)


def _set(connection: sqlite3.Connection, name: str, limit: int) -> None:
    # a replacement of the standard module, such as pysqlite3, may lack it: the deadline and the heap limit remain
    setlimit: Callable[[int, int], int] | None = getattr(connection, "setlimit", None)
    if setlimit is not None:
        setlimit(getattr(sqlite3, name), limit)
