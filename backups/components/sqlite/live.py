"""Counting the rows of a live database within a time limit, while its service writes into it."""

import re
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from backups.components.sqlite.connection import component_error, connected
from backups.components.sqlite.inspect import count, newest_first, time_column, time_text
from backups.components.sqlite.integrity import is_about_checking, reason_of
from backups.components.sqlite.untrusted.application import TROUBLE
from backups.components.sqlite.untrusted.deadline import run_with_deadline
from backups.components.sqlite.untrusted.limits import COMPUTED_BYTES, limit_values
from backups.components.sqlite.untrusted.schema import read_schema
from backups.errors import NotCheckable
from backups.lib.paths import stat_path

SHAPE = 19  # characters of a time that show its format: "2026-11-23 01:44:40"


@dataclass(frozen=True, slots=True)
class LiveTable:
    """`newest` is the time in the row added last, `newer` how many rows were added after the time of the comparison.

    Both are None where the table has no comparable time.
    """

    rows: int
    newest: str | None = None
    newer: int | None = None


def live_tables(path: Path, since: Mapping[str, str], *, lock_timeout: float, seconds: float) -> dict[str, LiveTable]:
    """Count the rows of the live database `path`, and those added after the times in `since` (by table).

    Raises MissingComponent, DamagedComponent, or ComponentError when it is locked for `lock_timeout` seconds, needs
    more than `seconds`, or has a table that cannot be counted here.
    """
    stat_path(path)
    try:
        return run_with_deadline(partial(connected, path), partial(_tables, path, since, lock_timeout), seconds=seconds)
    except NotCheckable as error:
        raise NotCheckable(f"{path} cannot be counted: {error.reason}.", reason=error.reason) from error
    except sqlite3.Error as error:
        raise component_error(error, path, lock_timeout) from error


def _tables(
    path: Path, since: Mapping[str, str], lock_timeout: float, connection: sqlite3.Connection
) -> dict[str, LiveTable]:
    connection.text_factory = lambda text: text.decode(errors="replace")
    connection.execute(f"PRAGMA busy_timeout={int(lock_timeout * 1000)}")
    schema = read_schema(connection, path)
    limit_values(connection, COMPUTED_BYTES)
    for name, reason in schema.unreadable.items():
        raise _not_counted(name, reason)
    found: dict[str, LiveTable] = {}
    for name in schema.tables:
        try:
            rows = count(connection, name)
        except TROUBLE as error:
            if not is_about_checking(error):
                raise
            raise _not_counted(name, reason_of(error)) from error
        found[name] = LiveTable(rows)
        if (column := time_column(connection, name)) is not None:
            # without a rowid there is no order of insertion: then the count is all there is
            try:
                found[name] = _dated(rows, since.get(name), newest_first(connection, name, column))
            except TROUBLE as error:
                if not is_about_checking(error):
                    raise
    return found


def _not_counted(table: str, reason: str) -> NotCheckable:
    return NotCheckable(f"Table {table} cannot be counted: {reason}.", reason=f"table {table}: {reason}")


def _dated(rows: int, since: str | None, times: Iterator[object]) -> LiveTable:
    """Count the values of `times`, the newest first, up to the first one that is not later than `since`."""
    newest, newer = None, 0
    for number, value in enumerate(times):
        if number == 0:
            newest = time_text(value)
        later = None if since is None else _is_later(value, since)
        if not later:
            return LiveTable(rows, newest, None if later is None else newer)
        newer += 1
    return LiveTable(rows, newest, newer if since is not None else None)


def _is_later(value: object, since: str) -> bool | None:
    """Return whether `value` is later than `since`; None when the two have different formats."""
    if isinstance(value, str):
        return value > since if _shape(value) == _shape(since) else None
    if isinstance(value, int | float):
        try:
            return value > float(since)
        except ValueError:
            return None
    return None


def _shape(moment: str) -> str:
    return re.sub(r"\d", "0", moment[:SHAPE])
