"""What a live database is after a restore: sound, with the rows of the backup, page for page as it was."""

import sqlite3
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path

from backups.components import sqlite
from backups.components.sqlite.restore import writable
from backups.errors import ComponentError, DamagedComponent, NotCheckable
from backups.lib.paths import bytes_of

STRANGER_SECONDS = 2.0
BLOCK = 1 << 20
# Header fields that differ between copies of one content: journal mode, change counter, schema cookie, version numbers.
# Source: https://www.sqlite.org/fileformat2.html#the_database_header
COUNTERS = (slice(18, 20), slice(24, 28), slice(40, 44), slice(92, 100))
STOP_IT = "Stop the service meanwhile, with hooks.before_restore."

Mark = tuple[object, ...]


def mark_of(live: Path) -> Mark:
    """Return what changes when somebody writes: size and time of the database and of its write-ahead log."""
    log = live.with_name(live.name + "-wal")
    return (_stamp(live), _stamp(log) if bytes_of(log) else None)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        info = path.stat()
    except FileNotFoundError:
        return None
    return info.st_ino, info.st_size, info.st_mtime_ns


def prove(
    live: Path,
    tables: Mapping[str, int],
    left: Mark | None,
    *,
    lock_timeout: float,
    uncounted: Collection[str] = (),
    checkpoint: Callable[[int], None] = lambda _: None,
) -> list[str]:
    """Check the live database after a restore and count its rows against `tables`; return notes.

    Other processes may go on writing the moment the restore commits, so other counts are accepted when somebody wrote
    since `left`, or is seen to write, and said. `uncounted` are tables that `tables` does
    not count. What cannot be checked or counted here is a note too: every page of it was written, and its checksum was
    compared. Raises ComponentError when the database is unsound or counts differ
    with nobody writing.
    """
    try:
        return sqlite.watched(
            # a connection that may write removes the log files that reading makes
            lambda: closing(writable(live, lock_timeout)),
            partial(_prove, live, tables, uncounted, left),
            seconds=sqlite.patience(live) + lock_timeout,
            checkpoint=checkpoint,
        )
    except NotCheckable as error:
        return [f"{live.name} was restored, but not checked afterwards: {error.reason}."]
    except DamagedComponent as error:
        raise ComponentError(error.message) from error
    except sqlite3.Error as error:
        raise sqlite.explained(error, live, lock_timeout) from error


def _prove(
    live: Path,
    tables: Mapping[str, int],
    uncounted: Collection[str],
    left: Mark | None,
    connection: sqlite3.Connection,
) -> list[str]:
    connection.execute("PRAGMA query_only=ON")
    unchecked = sqlite.examine(connection, path=live, name=f"the restored {live}")
    found = sqlite.counts(connection, live)
    notes = sqlite.described(unchecked, live.name)
    if not found.differences(tables, uncounted):
        return notes
    if left in (None, mark_of(live)) and not _somebody_writes(connection):
        raise ComponentError(f"{live} does not hold the rows of the backup after the restore.", hint=STOP_IT)
    return [*notes, f"{live.name} was written to by its service right after the restore"]


def _somebody_writes(connection: sqlite3.Connection) -> bool:
    """True when another connection commits within two seconds (``data_version`` moves only for others' commits)."""

    def version() -> int:
        return int(connection.execute("PRAGMA data_version").fetchone()[0])

    before, until = version(), time.monotonic() + STRANGER_SECONDS
    while time.monotonic() < until:
        if version() != before:
            return True
        time.sleep(0.02)
    return False


def is_same(staged: Path, live: Path, *, lock_timeout: float) -> bool:
    """True when the live database has the content of `staged` page for page. Raises ComponentError.

    A copy of the live one is made beside `staged`.
    """
    copy = staged.with_name(f"{staged.name}.live")
    copy.unlink(missing_ok=True)
    try:
        sqlite.snapshot(live, copy, lock_timeout=lock_timeout, checkpoint=lambda _: None)
        return _same_pages(staged, copy) or (_is_empty(staged) and _is_empty(copy))
    except sqlite3.Error as error:
        raise sqlite.explained(error, live, lock_timeout) from error
    finally:
        copy.unlink(missing_ok=True)


def _same_pages(first: Path, second: Path) -> bool:
    if first.stat().st_size != second.stat().st_size:
        return False
    with first.open("rb") as one, second.open("rb") as other:
        if _without_counters(one.read(BLOCK)) != _without_counters(other.read(BLOCK)):
            return False
        while block := one.read(BLOCK):
            if block != other.read(BLOCK):
                return False
    return True


def _is_empty(database: Path) -> bool:
    """True without any table; such a database has one page or none."""
    with sqlite.connected(database, immutable=True) as connection:
        return bool(connection.execute("SELECT count(*) = 0 FROM sqlite_master").fetchone()[0])


def _without_counters(block: bytes) -> bytes:
    plain = bytearray(block)
    for field in COUNTERS:
        plain[field] = bytes(field.stop - field.start)
    return bytes(plain)
