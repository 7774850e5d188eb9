"""Counting the rows of a database copy per table, and finding the time of the newest row."""

import sqlite3
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from backups.components.sqlite.connection import component_error, connected, quoted
from backups.components.sqlite.integrity import Unchecked, is_about_checking, reason_of
from backups.components.sqlite.untrusted.application import TROUBLE, Stubs
from backups.components.sqlite.untrusted.deadline import Checkpoint, run_with_deadline
from backups.components.sqlite.untrusted.limits import COMPUTED_BYTES, limit_values, time_limit
from backups.components.sqlite.untrusted.schema import read_schema
from backups.errors import NotCheckable

TIME_COLUMNS = ("timestamp", "created_at", "updated_at", "changed_at", "date", "time", "last_update", "start_time")
LONGEST_TIME = 64


@dataclass(frozen=True, slots=True)
class Facts:
    """Rows per table of a database, and the time of each table's newest row where it has a time column.

    `uncounted` are the tables that cannot be counted here, and "" where the tables are not known either.
    """

    tables: dict[str, int] = field(default_factory=dict)
    newest: dict[str, str] = field(default_factory=dict)
    uncounted: tuple[Unchecked, ...] = ()

    @property
    def records(self) -> int | None:
        """Rows of all tables; None where some were not counted."""
        return None if self.uncounted else sum(self.tables.values())

    def differences(self, tables: Mapping[str, int], uncounted: Collection[str] = ()) -> list[str]:
        """Return the tables whose count differs from `tables`, without those that either side could not count."""
        unknown = {item.table for item in self.uncounted}.union(uncounted)
        names = self.tables.keys() & tables.keys() if "" in unknown else self.tables.keys() | tables.keys()
        return sorted(name for name in names - unknown if self.tables.get(name) != tables.get(name))


class _Counting:
    """Counts collected so far: they survive a timeout."""

    def __init__(self) -> None:
        self.tables: dict[str, int] = {}
        self.newest: dict[str, str] = {}
        self.reasons: dict[str, str] = {}
        self.names: tuple[str, ...] = ("",)

    def facts(self, reason: str = "") -> Facts:
        """Return the counts; `reason` is why tables that were not reached are uncounted."""
        tables, reasons = dict(self.tables), dict(self.reasons)
        reasons |= {name: reason for name in self.names if name not in tables and name not in reasons}
        return Facts(tables, dict(self.newest), tuple(Unchecked(*item) for item in reasons.items()))


def facts(path: Path, *, checkpoint: Checkpoint = lambda _: None) -> Facts:
    """Count the rows of every table of the copy `path` and read the time of its newest row.

    Raises ComponentError when the copy cannot be read, and what `checkpoint` raises.
    """
    counting = _Counting()
    try:
        run_with_deadline(
            partial(connected, path, immutable=True),
            partial(_count_all, counting=counting, path=path),
            seconds=time_limit(path),
            checkpoint=checkpoint,
        )
    except NotCheckable as error:
        return counting.facts(error.reason)
    except sqlite3.Error as error:
        raise component_error(error, Path(path.name), 0, copy=path) from error
    return counting.facts()


def counts(connection: sqlite3.Connection, path: Path) -> Facts:
    """Count the rows of every table, sqlite_sequence included, as the TACACS+ server's own manifests do."""
    counting = _Counting()
    _count_all(connection, counting, path, newest=False)
    return counting.facts()


def _count_all(connection: sqlite3.Connection, counting: _Counting, path: Path, *, newest: bool = True) -> None:
    connection.text_factory = lambda text: text.decode(errors="replace")
    schema = read_schema(connection, path)
    limit_values(connection, COMPUTED_BYTES)
    counting.names = schema.tables
    counting.reasons |= schema.unreadable
    for name in schema.tables:
        try:
            rows = count(connection, name)
            time = _newest(connection, name) if newest else None
        except TROUBLE as error:
            if not is_about_checking(error):
                raise
            counting.reasons[name] = reason_of(error)
        else:
            counting.tables[name] = rows
            counting.newest |= {name: time} if time is not None else {}


def count(connection: sqlite3.Connection, table: str) -> int:
    return int(Stubs(connection).execute(f"SELECT count(*) FROM {quoted(table)}").fetchone()[0])


def _newest(connection: sqlite3.Connection, table: str) -> str | None:
    if (column := time_column(connection, table)) is None:
        return None
    try:
        return next(map(time_text, newest_first(connection, table, column, "LIMIT 1")), None)
    except TROUBLE as error:
        if not is_about_checking(error):
            raise
        return None


def time_column(connection: sqlite3.Connection, table: str) -> str | None:
    """Return the column with the time at which a row was written; None without one."""
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({quoted(table)})")]
    return next((name for name in TIME_COLUMNS if name in columns), None)


def newest_first(connection: sqlite3.Connection, table: str, column: str, limit: str = "") -> Iterator[object]:
    """Yield the values of `column`, those of the row added last first.

    Raises sqlite3.Error, also where the table has no rowid to order by.
    """
    # the highest rowid is what a service appended last: found without a scan
    for (value,) in connection.execute(f"SELECT {quoted(column)} FROM {quoted(table)} ORDER BY rowid DESC {limit}"):
        yield value


def time_text(value: object) -> str | None:
    """Return a time as the manifest keeps it; None for a value that is too long or of another type."""
    is_time = isinstance(value, str | int | float) and len(str(value)) <= LONGEST_TIME
    return str(value) if is_time else None
