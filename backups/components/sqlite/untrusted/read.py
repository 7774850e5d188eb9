"""Reading rows of a database of unknown origin: a "table" in it may be a view that never ends."""

import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from backups.components.sqlite.connection import connected, exact_text
from backups.components.sqlite.untrusted.deadline import run_with_deadline
from backups.components.sqlite.untrusted.limits import time_limit
from backups.errors import NotCheckable

MAX_BYTES = 64_000_000
ROWS_AT_A_TIME = 1000

Row = tuple[Any, ...]


def rows(
    path: Path,
    sql: str,
    parameters: Sequence[object] = (),
    *,
    immutable: bool = False,
    lock_timeout: float = 0,
    exact: bool = False,
) -> list[Row]:
    """Return the rows that the query `sql` finds in the database `path`; `immutable` is that of `opened`.

    When `exact`, texts are decoded by `exact_text`, otherwise invalid UTF-8 in them is replaced. `lock_timeout` is in
    seconds. Raises sqlite3.Error, and NotCheckable after the time limit or for more than MAX_BYTES.
    """
    work = partial(_rows, sql, parameters, lock_timeout, exact)
    try:
        return run_with_deadline(
            partial(connected, path, immutable=immutable), work, seconds=lock_timeout + time_limit(path)
        )
    except NotCheckable as error:
        raise NotCheckable(f"{path.name} cannot be read: {error.reason}.", reason=error.reason) from error


def _rows(
    sql: str, parameters: Sequence[object], lock_timeout: float, exact: bool, connection: sqlite3.Connection
) -> list[Row]:
    if exact:
        connection.text_factory = exact_text
    connection.execute(f"PRAGMA busy_timeout={int(lock_timeout * 1000)}")
    found: list[Row] = []
    size = 0
    cursor = connection.execute(sql, parameters)
    while some := cursor.fetchmany(ROWS_AT_A_TIME):
        found += some
        size += sum(1 + len(value) if isinstance(value, str | bytes) else 8 for row in some for value in row)
        if size > MAX_BYTES:
            reason = f"it holds more than {MAX_BYTES:,} bytes"
            raise NotCheckable(f"The database cannot be read here: {reason}.", reason=reason)
    return found
