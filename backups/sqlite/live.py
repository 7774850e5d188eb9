"""What a database holds now, read beside the service that writes into it, in a bounded time."""

import re
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from backups.errors import ComponentError
from backups.sources import look_at
from backups.sqlite.content import count, tables, time_column, time_text
from backups.sqlite.opening import connected, explained, quoted

SHAPE = 19  # characters of a time that tell its format: "2026-11-23 01:44:40"


@dataclass(frozen=True, slots=True)
class LiveTable:
    """`newest` is the time in the row added last; `newer` the rows added with a later time than asked for.

    Both are None where the table does not tell.
    """

    rows: int
    newest: str | None = None
    newer: int | None = None


def live_tables(path: Path, since: Mapping[str, str], *, lock_timeout: float, seconds: float) -> dict[str, LiveTable]:
    """Count the rows of the live database `path`, and those added after the times in `since` (by table).

    Raises MissingComponent, DamagedComponent, or ComponentError when it is locked for `lock_timeout` seconds or needs
    more than `seconds`.
    """
    look_at(path)
    try:
        with connected(path) as connection, _ended_after(seconds, connection) as too_late:
            connection.text_factory = lambda text: text.decode(errors="replace")
            connection.execute(f"PRAGMA busy_timeout={int(lock_timeout * 1000)}")
            found = {}
            for name in tables(connection):
                found[name] = _table(connection, name, since.get(name))
                if too_late():
                    raise _too_large(path, seconds)
            return found
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "") == "SQLITE_INTERRUPT":
            raise _too_large(path, seconds) from error
        raise explained(error, path, lock_timeout) from error


@contextmanager
def _ended_after(seconds: float, connection: sqlite3.Connection) -> Iterator[Callable[[], bool]]:
    """End what runs on `connection` after `seconds`: counting is one step to SQLite, no progress handler is asked."""
    timer = threading.Timer(seconds, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield timer.finished.is_set
    finally:
        timer.cancel()
        timer.join()


def _too_large(path: Path, seconds: float) -> ComponentError:
    return ComponentError(f"{path} takes longer than {seconds:g} s to count")


def _table(connection: sqlite3.Connection, name: str, since: str | None) -> LiveTable:
    rows = count(connection, name)
    if (column := time_column(connection, name)) is None:
        return LiveTable(rows)
    backwards = connection.execute(f"SELECT {quoted(column)} FROM {quoted(name)} ORDER BY rowid DESC")
    newest = None
    newer = 0
    for (value,) in backwards:
        if newer == 0:
            newest = time_text(value)
        later = None if since is None else _is_later(value, since)
        if not later:
            return LiveTable(rows, newest, None if later is None else newer)
        newer += 1
    return LiveTable(rows, newest, newer if since is not None else None)


def _is_later(value: object, since: str) -> bool | None:
    """None when the two are not times of one format, which cannot be compared."""
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
