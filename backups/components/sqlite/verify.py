"""Verifying a live database after a restore: integrity, row counts, and comparison page by page."""

import os
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from backups.components import sqlite
from backups.components.sqlite.connection import wal_of
from backups.components.sqlite.restore import writable
from backups.errors import ComponentError, DamagedComponent, NotCheckable
from backups.lib.filesystem.page_cache import descriptors_of
from backups.lib.paths import size_or_zero

WRITER_WAIT_SECONDS = 2.0
# fits into the cache of a processor
BLOCK = 128 * 1024
# Header fields that differ between copies of one content: journal mode, change counter, number of pages (which old and
# foreign versions leave wrong), schema cookie, version numbers.
# Source: https://www.sqlite.org/fileformat2.html#the_database_header
COUNTERS = (slice(18, 20), slice(24, 32), slice(40, 44), slice(92, 100))
PAGE_SIZE = slice(16, 18)  # big-endian, 1 for LARGEST_PAGE
LARGEST_PAGE = 65_536
# the page that begins here is never read or written. Source: https://www.sqlite.org/fileformat2.html#lock_byte_page
LOCK_BYTE = 1 << 30
STOP_SERVICE = "Stop the service meanwhile, with hooks.before_restore."
DIFFERS = (
    "does not hold the values of the backup: its service wrote to it in the same moment, or the disk does not keep "
    "what is written"
)

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
    checked: Path | None = None,
    checkpoint: Callable[[int], None] = lambda _: None,
) -> list[str]:
    """Check the live database after a restore and compare its row counts with `tables`; return notes.

    `applied` is its state right after the restore, `uncounted` are the tables that `tables` does not count. A database
    that equals `checked`, a staged copy that was checked, is as sound as that; any other is checked itself. What cannot
    be checked or counted here is a note, and so are other values in as many rows, although no process is seen to write.
    Raises ComponentError when the database is damaged, or when counts differ although no other process has written.
    """
    is_equal = None if checked is None else _equals(live, checked, checkpoint)
    try:
        return sqlite.run_with_deadline(
            # a connection that may write removes the log files that reading creates
            lambda: closing(writable(live, lock_timeout)),
            partial(_verified, live, tables, uncounted, applied, is_equal),
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
    is_equal: bool | None,
    connection: sqlite3.Connection,
) -> list[str]:
    connection.execute("PRAGMA query_only=ON")
    unchecked = () if is_equal else sqlite.examine(connection, path=live, name=f"the restored {live}")
    found = sqlite.counts(connection, live)
    notes = sqlite.unchecked_notes(unchecked, live.name)
    differences = found.differences(tables, uncounted)
    if not differences and is_equal is not False:
        return notes
    # other processes may write as soon as the restore commits: then the counts may differ
    is_written_to = applied not in (None, file_state(live)) or _is_written_to(connection)
    if differences and not is_written_to:
        raise ComponentError(f"{live} does not hold the rows of the backup after the restore.", hint=STOP_SERVICE)
    if differences:
        return [*notes, f"{live.name} was written to by its service right after the restore"]
    # no error: a write that had waited for the lock of the restore looks the same
    return notes if is_written_to else [*notes, f"{live.name} {DIFFERS}"]


def _equals(live: Path, copy: Path, checkpoint: Callable[[int], None]) -> bool | None:
    """Return whether the file of the live database equals `copy`, but for counters in the header.

    None where that cannot be told: its log holds pages, its file has another size, or it cannot be read as a file.
    """
    try:
        with closing(writable(live, sqlite.LOCK_POLL_SECONDS)) as connection, copy.open("rb") as file:
            # a read transaction: until it ends nothing is written into the file, neither by a checkpoint
            connection.execute("BEGIN")
            # reads the file, but does not parse the schema
            connection.execute("PRAGMA schema_version").fetchall()
            own = descriptors_of(live)
            if size_or_zero(wal_of(live)) or not own or live.stat().st_size != copy.stat().st_size:
                return None
            # the descriptor of SQLite: to close another one would release the locks of this process
            return _same_pages(own[0], file.fileno(), checkpoint)
    # the check that follows says what it is
    except (sqlite3.Error, OSError):
        return None


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
        with staged.open("rb") as one, copy.open("rb") as other:
            same = _same_pages(one.fileno(), other.fileno(), lambda _: None)
        return same or (_is_empty(staged) and _is_empty(copy))
    except sqlite3.Error as error:
        raise sqlite.component_error(error, live, lock_timeout) from error
    finally:
        copy.unlink(missing_ok=True)


def _same_pages(first: int, second: int, checkpoint: Callable[[int], None]) -> bool:
    """Compare two open databases page by page, but for counters and the page of the locks; their positions stay."""
    size = os.fstat(first).st_size
    if size != os.fstat(second).st_size:
        return False
    one, other = bytearray(BLOCK), bytearray(BLOCK)
    for offset in range(0, size, BLOCK):
        length = min(BLOCK, size - offset)
        if (os.preadv(first, [one], offset), os.preadv(second, [other], offset)) != (length, length):
            return False
        if offset == 0:
            page_size = int.from_bytes(one[PAGE_SIZE], "big")
            _clear(COUNTERS, one, other)
        elif offset == LOCK_BYTE:
            _clear((slice(0, LARGEST_PAGE if page_size == 1 else page_size),), one, other)
        # behind the last block both have the rest of the one before
        if one != other:
            return False
        checkpoint(0)
    return True


def _is_empty(database: Path) -> bool:
    # an empty database has one page or none
    with sqlite.connected(database, immutable=True) as connection:
        return bool(connection.execute("SELECT count(*) = 0 FROM sqlite_master").fetchone()[0])


def _clear(parts: Sequence[slice], *blocks: bytearray) -> None:
    for part in parts:
        for block in blocks:
            block[part] = bytes(part.stop - part.start)
