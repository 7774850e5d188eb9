"""Restoring a database into the live file while other processes have it open.

Source: https://www.sqlite.org/c3ref/backup_finish.html - the backup API writes one transaction; until it commits, and
after a step that fails, the live database is unchanged.
"""

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from backups.archive.manifest.permissions import Permissions
from backups.components import sqlite
from backups.components.sqlite.connection import is_damage, journal_of, wal_of
from backups.errors import BackupError, NotCheckable, Untouched
from backups.lib.filesystem.atomic import replace_file
from backups.lib.filesystem.page_cache import extend_open_file, freed_beside, written_early
from destinations.lib.disks import space_hint

SIDE_FILES = ("-wal", "-shm", "-journal")
WAL_HEADER_BYTES = 32
WAL_FRAME_BYTES = 24  # and the page
# locks that a new transaction may get past, although the backup API reports them as final
RETRIABLE = ("SQLITE_BUSY_SNAPSHOT", "SQLITE_BUSY_RECOVERY", "SQLITE_BUSY_TIMEOUT")
NO_SPACE = ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_FSYNC", "SQLITE_IOERR_TRUNCATE")

Checkpoint = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Format:
    """The file format of a database; `page_size` is in bytes, `tables` counts the entries of its schema."""

    page_size: int
    journal_mode: str
    encoding: str
    tables: int


def restore_into(
    staged: Path, live: Path, *, lock_timeout: float, checkpoint: Checkpoint, permissions: Permissions | None = None
) -> list[str]:
    """Copy `staged` into the live database `live` in one transaction; return notes for the operator.

    Processes that have it open see the new rows at their next transaction and go on writing into the same file. A
    missing one is created with `permissions`; a damaged one is replaced as a file. `staged` may be rewritten to change
    its page size. Raises Untouched, and ComponentError where the new rows are committed already.
    """
    if not live.exists():
        return _create(staged, live, checkpoint, permissions)
    try:
        form = format_of(live, lock_timeout)
    except sqlite3.Error as error:
        if not is_broken(error):
            raise untouched_error(error, live, lock_timeout) from error
        return _create(staged, live, checkpoint, permissions)
    try:
        _match_format(staged, live, form, checkpoint)
    except sqlite3.Error as error:
        raise untouched_error(error, staged, lock_timeout) from error
    with written_early(live, wal_of(live), journal_of(live)):
        try:
            _copy_with_retries(staged, live, lock_timeout, checkpoint)
        except sqlite3.Error as error:
            raise untouched_error(error, live, lock_timeout) from error
        _shrink_wal(live, lock_timeout)
    return []


def is_broken(error: sqlite3.Error) -> bool:
    """Return whether `error` means that the file is not a sound database, which no process can be using."""
    code = getattr(error, "sqlite_errorname", "") or ""
    return code.startswith("SQLITE_NOTADB") or is_damage(error)


def untouched_error(error: sqlite3.Error, path: Path, lock_timeout: float) -> Untouched:
    """Translate an error of SQLite from before the commit into Untouched with a hint for the operator."""
    code = getattr(error, "sqlite_errorname", "") or ""
    if code in NO_SPACE:
        return Untouched(f"No space left to restore {path}.", hint=space_hint(path))
    if code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        hint = "Check that this user may write the file and its folder."
        return Untouched(f"{path} cannot be written: {sqlite.error_text(error)}.", hint=hint)
    known = sqlite.component_error(error, path, lock_timeout)
    return Untouched(known.message, hint=known.hint)


def writable(live: Path, busy_seconds: float) -> sqlite3.Connection:
    connection = sqlite.opened(live, mode="rw")
    connection.execute(f"PRAGMA busy_timeout={int(busy_seconds * 1000)}")
    return connection


def format_of(live: Path, lock_timeout: float) -> Format:
    """Return the format of the live database, after rolling back a dead process's transaction. Raises sqlite3.Error."""
    with closing(writable(live, lock_timeout)) as connection:
        sqlite.not_understood(connection, live)
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        page_size, journal_mode, encoding = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "journal_mode", "encoding")
        )
        return Format(int(page_size), str(journal_mode), str(encoding), int(tables))


def _match_format(staged: Path, live: Path, form: Format, checkpoint: Checkpoint) -> None:
    """Change the format of the staged copy to one that SQLite can copy into the live file."""
    for log in (wal_of(staged), journal_of(staged)):
        if log.exists():
            # another member of the archive: SQLite would write it into the copy, which was checked without it
            raise Untouched(f"{log.name} of the archive has the name of a log of {staged.name}.")
    with closing(sqlite.opened(staged, mode="rw")) as connection:
        sqlite.tolerate_schema(connection)
        # a header in WAL mode would switch the live file to WAL under open connections; a live WAL database stays one
        connection.execute("PRAGMA journal_mode=DELETE")
        encoding = connection.execute("PRAGMA encoding").fetchone()[0]
        if form.tables and encoding != form.encoding:
            # every statement of an open connection would fail until it is opened anew
            raise Untouched(
                f"{live} is {form.encoding}, the backup is {encoding}.",
                hint="Stop the service and move the file away, then restore again.",
            )
        page_size = connection.execute("PRAGMA page_size").fetchone()[0]
    # in WAL mode SQLite cannot change the page size of the live file
    if form.journal_mode == "wal" and page_size != form.page_size:
        _repage(staged, live, form.page_size, checkpoint)


def _repage(staged: Path, live: Path, page_size: int, checkpoint: Checkpoint) -> None:
    repaged = staged.with_name(f"{staged.name}.repaged")
    repaged.unlink(missing_ok=True)

    def vacuum(connection: sqlite3.Connection) -> None:
        sqlite.limit_values(connection, sqlite.STORED_BYTES)
        connection.execute(f"PRAGMA page_size={page_size}")
        # not in place, which would need space in the folder of temporary files too
        connection.execute("VACUUM INTO CAST(? AS TEXT)", [os.fsencode(repaged)])

    try:
        sqlite.run_with_deadline(
            lambda: closing(sqlite.opened(staged, mode="rw", attached=1)),
            vacuum,
            seconds=sqlite.time_limit(staged),
            checkpoint=checkpoint,
        )
    except (sqlite3.Error, NotCheckable) as error:
        if not (isinstance(error, NotCheckable) or sqlite.is_about_checking(error)):
            raise
        reason = error.reason if isinstance(error, NotCheckable) else sqlite.error_text(error)
        raise Untouched(
            f"{live} has another page size than the backup, and only its service can rebuild the indexes: {reason}.",
            hint="Stop the service and move the file away, then restore again.",
        ) from error
    repaged.replace(staged)


def _copy_with_retries(staged: Path, live: Path, lock_timeout: float, checkpoint: Checkpoint) -> None:
    until = time.monotonic() + lock_timeout
    while True:
        try:
            _copy_into(staged, live, lock_timeout, checkpoint)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname not in RETRIABLE or time.monotonic() > until:
                raise
            checkpoint(0)
            time.sleep(sqlite.LOCK_POLL_SECONDS)
        else:
            return


def _copy_into(staged: Path, live: Path, lock_timeout: float, checkpoint: Checkpoint) -> None:
    log = wal_of(live)
    with (
        ExitStack() as after,
        closing(writable(live, sqlite.LOCK_POLL_SECONDS)) as writing,
        sqlite.connected(staged, immutable=True) as reading,
    ):
        page_size = int(reading.execute("PRAGMA page_size").fetchone()[0])
        advance = sqlite.deadline(live, page_size, lock_timeout, checkpoint)

        def step(status: int, remaining: int, total: int) -> None:
            if status == sqlite3.SQLITE_DONE:
                return  # committed: it cannot be cancelled any more
            try:
                advance(status, remaining, total)
            except BackupError as stop:
                stop.untouched = True
                raise
            if status == sqlite3.SQLITE_OK and remaining:
                _extend_wal(log, page_size, sqlite.pages_ahead(remaining, total))

        reading.backup(writing, pages=sqlite.PAGES_PER_STEP, progress=step, sleep=sqlite.LOCK_POLL_SECONDS)
        # the last connection removes its log when it is closed
        after.enter_context(freed_beside(log))


def _extend_wal(log: Path, page_size: int, pages: int) -> None:
    """Extend the log of the transaction that is being written, to room for `pages` in all.

    No other process writes into it during the transaction. A frame of zeros is none: its salt is not that of the
    header, like that of frames which a log has left from before.

    Source: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
    """
    # SQLite locks the database and the -shm file alone
    extend_open_file(log, WAL_HEADER_BYTES + pages * (WAL_FRAME_BYTES + page_size))


def _shrink_wal(live: Path, lock_timeout: float) -> None:
    """Truncate the write-ahead log, as large as the database now, unless a reader or a full disk prevents it."""
    try:
        with closing(writable(live, sqlite.LOCK_POLL_SECONDS)) as connection:
            # what it cannot parse of the schema is no reason to fail either
            sqlite.tolerate_schema(connection)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        # the rows are safe in the log: neither is a reason to fail
        code = getattr(error, "sqlite_errorname", "") or ""
        if not code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) and code not in NO_SPACE:
            raise sqlite.component_error(error, live, lock_timeout) from error


def _create(staged: Path, live: Path, checkpoint: Checkpoint, permissions: Permissions | None) -> list[str]:
    """Put the copy in place as a new file."""
    # logs of the old file would be replayed into the new one: they are removed first
    logs = [live.with_name(live.name + suffix) for suffix in SIDE_FILES]
    # without recorded permissions the owner is that of another database in the folder, else of the folder
    others = (path for path in sorted(live.parent.glob("*.db")) if path != live and path.is_file())
    return replace_file(
        staged, live, checkpoint=checkpoint, permissions=permissions, neighbour=next(others, None), obsolete=logs
    )
