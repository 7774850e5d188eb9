"""Comparing the schema of a backup, perhaps of another version of the service, with that of the live database."""

import sqlite3
from collections.abc import Mapping
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
    except NotCheckable as error:
        return [f"{name}: the tables of the backup cannot be compared with the live ones: {error.reason}."]
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
    # entries that only a newer SQLite can parse are not compared
    sqlite.tolerate_schema(connection)
    tables = [
        name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    ]
    return {
        table: frozenset(row[1] for row in connection.execute(f"PRAGMA table_info({sqlite.quoted(table)})"))
        for table in tables
    }
