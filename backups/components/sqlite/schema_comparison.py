"""Comparing the schema of a backup, perhaps of another version of the service, with that of the live database."""

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from backups.components import sqlite
from backups.components.sqlite.untrusted.deadline import Opening
from backups.errors import ComponentError, NotCheckable
from backups.lib.paths import size_or_zero

Schema = Mapping[str, frozenset[str]]
MAX_NAMED = 5


def schema_notes(staged: Path, live: Path, name: str) -> list[str]:
    """Return a note on tables and columns that the live database has and the backup has not.

    Raises ComponentError when the two have different text encodings.
    """
    # reading a database in WAL mode creates log files, which are not to be left beside one that has none
    logs = [live.with_name(live.name + suffix) for suffix in ("-wal", "-journal")]
    try:
        immutable = not any(map(size_or_zero, logs))
        now, encoding = _read(lambda: sqlite.connected(live, immutable=immutable), live)
    except (sqlite3.Error, OSError, NotCheckable):
        return []  # the safety backup reports why it cannot be read
    try:
        backup, its_encoding = _read(lambda: sqlite.connected(staged, immutable=True), staged)
    except (sqlite3.Error, NotCheckable) as error:
        # what is damaged was refused before: this is about what SQLite lacks here
        reason = error.reason if isinstance(error, NotCheckable) else sqlite.error_text(error)
        return [f"{name}: the tables of the backup cannot be compared with the live ones: {reason}."]
    if now and encoding != its_encoding:
        raise ComponentError(
            f"{live} is {encoding}, the backup is {its_encoding}.",
            hint="Stop the service and move the file away, then restore again.",
        )
    return _missing_note(name, now, backup)


def _read(opening: Opening, path: Path) -> tuple[Schema, str]:
    def read(connection: sqlite3.Connection) -> tuple[Schema, str]:
        return _schema(connection), str(connection.execute("PRAGMA encoding").fetchone()[0])

    return sqlite.run_with_deadline(opening, read, seconds=sqlite.time_limit(path))


def _missing_note(name: str, now: Schema, backup: Schema) -> list[str]:
    lost = [table for table in now if table not in backup]
    lost += [f"{table}.{column}" for table in now if table in backup for column in sorted(now[table] - backup[table])]
    if not lost:
        return []
    more = f" and {len(lost) - MAX_NAMED} more" if len(lost) > MAX_NAMED else ""
    return [
        f"{name}: the backup is of another version of the service: it does not have"
        f" {', '.join(lost[:MAX_NAMED])}{more}, which the live database has"
    ]


def _schema(connection: sqlite3.Connection) -> Schema:
    """Return the columns of each table; of a virtual table only that it is there."""
    # entries that only a newer SQLite can parse are not compared
    sqlite.tolerate_schema(connection)
    tables = connection.execute("SELECT name, rootpage > 0 FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return {
        # the columns of a virtual table are known to its module alone, which this SQLite may lack
        table: frozenset(_columns(connection, table)) if stores_rows else frozenset()
        for table, stores_rows in tables.fetchall()
    }


def _columns(connection: sqlite3.Connection, table: str) -> Iterator[str]:
    for _number, name, *_ in connection.execute(f"PRAGMA table_info({sqlite.quoted(table)})"):
        yield name
