"""Verifying a live database after a restore: integrity, row counts, and comparison page by page."""

import sqlite3
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path

from backups.components import sqlite
from backups.components.sqlite.connection import wal_of
from backups.components.sqlite.restore import writable
from backups.errors import ComponentError, DamagedComponent, NotCheckable
from backups.lib.paths import size_or_zero

WRITER_WAIT_SECONDS = 2.0
BLOCK = 1 << 20
# Header fields that differ between copies of one content: journal mode, change counter, schema cookie, version numbers.
# Source: https://www.sqlite.org/fileformat2.html#the_database_header
COUNTERS = (slice(18, 20), slice(24, 28), slice(40, 44), slice(92, 100))
STOP_SERVICE = "Stop the service meanwhile, with hooks.before_restore."

FileState = tuple[object, ...]


def file_state(live: Path) -> FileState:
    """Return inode, size and time of the database and of its write-ahead log: a write changes one of them."""
    log = wal_of(live)
    # reading creates an empty log
    return (_stamp(live), _stamp(log) if size_or_zero(log) else None)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        info = path.stat()
    except FileNotFoundError:
        return None
    return info.st_ino, info.st_size, info.st_mtime_ns


def verify_restored(
    live: Path,
    tables: Mapping[str, int],
    applied: FileState | None,
    *,
    lock_timeout: float,
    uncounted: Collection[str] = (),
    checkpoint: Callable[[int], None] = lambda _: None,
) -> list[str]:
    """Check the live database after a restore and compare its row counts with `tables`; return notes.

    `applied` is its state right after the restore, `uncounted` are the tables that `tables` does not count. What cannot
    be checked or counted here is a note. Raises ComponentError when the database is damaged, or when counts differ
    although no other process has written.
    """
    try:
        return sqlite.run_with_deadline(
            # a connection that may write removes the log files that reading creates
            lambda: closing(writable(live, lock_timeout)),
            partial(_verified, live, tables, uncounted, applied),
            seconds=sqlite.time_limit(live) + lock_timeout,
            checkpoint=checkpoint,
        )
    except NotCheckable as error:
        # no error: every page was written, and the checksum of the staged copy was compared
        return [f"{live.name} was restored, but not checked afterwards: {error.reason}."]
    except DamagedComponent as error:
        raise ComponentError(error.message) from error
    except sqlite3.Error as error:
        raise sqlite.component_error(error, live, lock_timeout) from error


def _verified(
    live: Path,
    tables: Mapping[str, int],
    uncounted: Collection[str],
    applied: FileState | None,
    connection: sqlite3.Connection,
) -> list[str]:
    connection.execute("PRAGMA query_only=ON")
    unchecked = sqlite.examine(connection, path=live, name=f"the restored {live}")
    found = sqlite.counts(connection, live)
    notes = sqlite.unchecked_notes(unchecked, live.name)
    if not found.differences(tables, uncounted):
        return notes
    # other processes may write as soon as the restore commits: then the counts may differ
    if applied in (None, file_state(live)) and not _is_written_to(connection):
        raise ComponentError(f"{live} does not hold the rows of the backup after the restore.", hint=STOP_SERVICE)
    return [*notes, f"{live.name} was written to by its service right after the restore"]


def _is_written_to(connection: sqlite3.Connection) -> bool:
    """Return whether another connection commits within WRITER_WAIT_SECONDS."""

    def version() -> int:
        # changes only with commits of other connections
        return int(connection.execute("PRAGMA data_version").fetchone()[0])

    before, until = version(), time.monotonic() + WRITER_WAIT_SECONDS
    while time.monotonic() < until:
        if version() != before:
            return True
        time.sleep(0.02)
    return False


def is_same(staged: Path, live: Path, *, lock_timeout: float) -> bool:
    """Return whether the live database equals `staged` page by page, but for counters in the header.

    Copies the live database to a file beside `staged`. Raises ComponentError.
    """
    copy = staged.with_name(f"{staged.name}.live")
    copy.unlink(missing_ok=True)
    try:
        sqlite.snapshot(live, copy, lock_timeout=lock_timeout, checkpoint=lambda _: None)
        return _same_pages(staged, copy) or (_is_empty(staged) and _is_empty(copy))
    except sqlite3.Error as error:
        raise sqlite.component_error(error, live, lock_timeout) from error
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
    # an empty database has one page or none
    with sqlite.connected(database, immutable=True) as connection:
        return bool(connection.execute("SELECT count(*) = 0 FROM sqlite_master").fetchone()[0])


def _without_counters(block: bytes) -> bytes:
    plain = bytearray(block)
    for field in COUNTERS:
        plain[field] = bytes(field.stop - field.start)
    return bytes(plain)
