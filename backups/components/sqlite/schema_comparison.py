"""The schema of a backup beside that of the live database: another version of the service may have written it."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from backups.components import sqlite
from backups.components.sqlite.untrusted.deadline import Opening
from backups.errors import ComponentError, NotCheckable
from backups.lib.paths import bytes_of

Schema = Mapping[str, frozenset[str]]
NAMED = 5


def foresee(staged: Path, live: Path, name: str) -> list[str]:
    """Return a note about tables and columns that the live database has and the backup has not.

    The backup is restored as it is: the service brings it up to date, or not. A live database that cannot be read now
    is passed over: the safety backup says why. Raises ComponentError when the two are not in one encoding.
    """
    try:
        now, encoding = _looked_at(lambda: _peeking(live), live)
    except (sqlite3.Error, OSError, NotCheckable):
        return []
    try:
        backup, its_encoding = _looked_at(lambda: sqlite.connected(staged, immutable=True), staged)
    except NotCheckable as error:
        return [f"{name}: the tables of the backup cannot be compared with those of now: {error.reason}."]
    if now and encoding != its_encoding:
        raise ComponentError(
            f"{live} is {encoding}, the backup is {its_encoding}.",
            hint="Stop the service and move the file away, then restore again.",
        )
    return _note(name, now, backup)


def _looked_at(opening: Opening, path: Path) -> tuple[Schema, str]:
    return sqlite.watched(opening, lambda found: (_schema(found), _encoding(found)), seconds=sqlite.patience(path))


def _note(name: str, now: Schema, backup: Schema) -> list[str]:
    lost = [table for table in now if table not in backup]
    lost += [f"{table}.{column}" for table in now if table in backup for column in sorted(now[table] - backup[table])]
    if not lost:
        return []
    more = f" and {len(lost) - NAMED} more" if len(lost) > NAMED else ""
    return [
        f"{name}: the backup is of another version of the service: it does not have {', '.join(lost[:NAMED])}{more},"
        " which the live database has"
    ]


@contextmanager
def _peeking(live: Path) -> Iterator[sqlite3.Connection]:
    """Open the live database to look at its schema; where no log is beside it without leaving log files there."""
    logs = [live.with_name(live.name + suffix) for suffix in ("-wal", "-journal")]
    with sqlite.connected(live, immutable=not any(map(bytes_of, logs))) as connection:
        yield connection


def _schema(connection: sqlite3.Connection) -> Schema:
    # what a newer SQLite declares and this one does not understand is not compared
    sqlite.tolerate_schema(connection)
    tables = [
        name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    ]
    return {
        table: frozenset(row[1] for row in connection.execute(f"PRAGMA table_info({sqlite.quoted(table)})"))
        for table in tables
    }


def _encoding(connection: sqlite3.Connection) -> str:
    return str(connection.execute("PRAGMA encoding").fetchone()[0])
