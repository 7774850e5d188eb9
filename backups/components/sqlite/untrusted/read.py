"""Reading rows of a database of unknown origin: what is called a table may be a view without end."""

import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from backups.components.sqlite.connection import connected, exact_text
from backups.components.sqlite.untrusted.deadline import watched
from backups.components.sqlite.untrusted.limits import patience
from backups.errors import NotCheckable

MOST_BYTES = 64_000_000
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
    """Return what the query `sql` finds in the database `path`; `immutable` as `opened` has it.

    With `exact` texts are as `exact_text` gives them, else what is no UTF-8 in them is replaced.

    Raises sqlite3.Error, and NotCheckable where it does not end in time or finds more than a configuration can be.
    """
    work = partial(_rows, sql, parameters, lock_timeout, exact)
    try:
        return watched(partial(connected, path, immutable=immutable), work, seconds=lock_timeout + patience(path))
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
        if size > MOST_BYTES:
            reason = f"it holds more than {MOST_BYTES:,} bytes"
            raise NotCheckable(f"The database cannot be read here: {reason}.", reason=reason)
    return found
