"""What the exported copy of a database holds, and whether it is sound.

Source: https://www.sqlite.org/pragma.html#pragma_quick_check
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from backups.errors import BackupError, DamagedComponent
from backups.sqlite.opening import NEEDS_APPLICATION, Checkpoint, connected, execute, explained, quoted

INSTRUCTIONS_PER_CHECKPOINT = 1_000_000  # of SQLite's virtual machine: some milliseconds
TIME_COLUMNS = ("timestamp", "created_at", "updated_at", "changed_at", "date", "time", "last_update", "start_time")
LONGEST_TIME = 64


@dataclass(frozen=True, slots=True)
class Facts:
    """What a database holds: rows per table, and the time of its newest row where a table tells it."""

    tables: dict[str, int]
    newest: dict[str, str] = field(default_factory=dict)

    @property
    def records(self) -> int:
        return sum(self.tables.values())


def check(path: Path, *, full: bool = False, checkpoint: Checkpoint = lambda _: None) -> None:
    """Prove that the copy `path` is a sound database: ``quick_check``, or ``integrity_check`` with its indexes too.

    Raises DamagedComponent with the first finding, and what `checkpoint` raises.
    """
    with _opened(path, checkpoint) as connection:
        finding = _full_finding(connection) if full else quick_finding(connection)
    if finding != "ok":
        raise DamagedComponent(f"{path.name} is corrupt: {finding}", hint="restore it from the last good backup")


def quick_finding(connection: sqlite3.Connection) -> str:
    """Return ``ok``, or the first thing that ``quick_check`` finds."""
    return _finding(connection, "quick_check")


def _full_finding(connection: sqlite3.Connection) -> str:
    try:
        return _finding(connection, "integrity_check")
    except sqlite3.OperationalError as error:
        if NEEDS_APPLICATION.fullmatch(str(error)) is None:
            raise
    return quick_finding(connection)


def _finding(connection: sqlite3.Connection, pragma: str) -> str:
    # CHECK constraints may call functions that only the application registers (Django's REGEXP).
    connection.execute("PRAGMA ignore_check_constraints=ON")
    run = execute if pragma == "quick_check" else sqlite3.Connection.execute
    return " ".join(str(run(connection, f"PRAGMA {pragma}(1)").fetchone()[0]).split())


def facts(path: Path, *, checkpoint: Checkpoint = lambda _: None) -> Facts:
    """Count the rows of every table of the copy `path` and read the time of its newest row.

    The newest row is the one with the highest rowid: what a service appended last, without a scan for it.
    """
    with _opened(path, checkpoint) as connection:
        tables = counts(connection)
        newest = {name: value for name in tables if (value := _newest(connection, name)) is not None}
    return Facts(tables, newest)


@contextmanager
def _opened(path: Path, checkpoint: Checkpoint) -> Iterator[sqlite3.Connection]:
    """Open the copy `path`; what `checkpoint` raises ends the statement that runs."""
    stopped: list[BackupError] = []

    def stop() -> bool:
        try:
            checkpoint(0)
        except BackupError as error:
            stopped.append(error)
        return bool(stopped)

    try:
        with connected(path, immutable=True) as connection:
            connection.text_factory = lambda text: text.decode(errors="replace")
            connection.set_progress_handler(stop, INSTRUCTIONS_PER_CHECKPOINT)
            yield connection
    except sqlite3.Error as error:
        raise (stopped[0] if stopped else explained(error, Path(path.name), 0)) from error


def counts(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the rows of every table; sqlite_sequence counts too, as in the server's own manifests."""
    return {name: count(connection, name) for name in tables(connection)}


def tables(connection: sqlite3.Connection) -> list[str]:
    """Ordinary tables; virtual ones may need an extension and keep their rows in shadow tables, which are ordinary."""
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
    )
    return [name for (name,) in rows]


def count(connection: sqlite3.Connection, table: str) -> int:
    return int(execute(connection, f"SELECT count(*) FROM {quoted(table)}").fetchone()[0])


def _newest(connection: sqlite3.Connection, table: str) -> str | None:
    if (column := time_column(connection, table)) is None:
        return None
    row = connection.execute(f"SELECT {quoted(column)} FROM {quoted(table)} ORDER BY rowid DESC LIMIT 1").fetchone()
    return None if row is None else time_text(row[0])


def time_column(connection: sqlite3.Connection, table: str) -> str | None:
    """Return the column that tells when a row was written; None without one, or without a rowid to order by."""
    info = connection.execute(f"PRAGMA table_list({quoted(table)})").fetchone()
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({quoted(table)})")]
    without_rowid = info is not None and info[4]
    return None if without_rowid else next((name for name in TIME_COLUMNS if name in columns), None)


def time_text(value: object) -> str | None:
    """Return a time as the manifest keeps it; None for what can hardly be one."""
    is_time = isinstance(value, str | int | float) and len(str(value)) <= LONGEST_TIME
    return str(value) if is_time else None
