"""Restoring into a live SQLite file."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from backups.components import sqlite
from backups.components.sqlite.restore import restore_into
from backups.components.sqlite.verify import file_state, verify_restored

LOCK_TIMEOUT = 0.5


def staged_copy(database: Path) -> Path:
    """Return a copy as a backup holds it: made by the backup API, in another folder."""
    folder = database.parent.parent / f"staged-{os.urandom(4).hex()}"
    folder.mkdir()
    copy = folder / database.name
    sqlite.snapshot(database, copy, lock_timeout=LOCK_TIMEOUT, checkpoint=lambda _: None)
    return copy


def restore_and_verify(staged: Path, live: Path) -> list[str]:
    """Restore and verify; return the notes."""
    tables = sqlite.facts(staged).tables
    restore_into(staged, live, lock_timeout=LOCK_TIMEOUT, checkpoint=lambda _: None)
    return verify_restored(live, tables, file_state(live), lock_timeout=LOCK_TIMEOUT)


def pragma(database: Path, name: str) -> object:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]


def integrity(database: Path) -> str:
    with closing(sqlite3.connect(database)) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


def change_byte(database: Path, offset: int) -> None:
    """Change a byte of a row as a failing disk does: no process has written, so that the time of the file stays."""
    before = database.stat()
    with database.open("r+b") as file:
        file.seek(offset)
        (old,) = file.read(1)
        file.seek(offset)
        file.write(bytes([old ^ 1]))
    os.utime(database, ns=(before.st_atime_ns, before.st_mtime_ns))
