"""Opening SQLite files, and translating SQLite's errors into messages for the operator."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from backups.components.sqlite.untrusted.limits import set_limits, time_limit
from backups.errors import ComponentError, DamagedComponent, NotCheckable, ScratchFailed
from destinations.lib.disks import space_hint

# a database in WAL mode is read through -wal and -shm beside it, which the first reader creates
WAL_OUT_OF_REACH = ("SQLITE_READONLY_DIRECTORY", "SQLITE_READONLY_CANTINIT", "SQLITE_READONLY_RECOVERY")
# errors of missing permissions
OUT_OF_REACH = ("SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH", "SQLITE_READONLY")
RIGHTS = "Check that this user may read the file and its folder."
# SQLite's message about a header that no version of it writes
UNKNOWN_FORMAT = "unsupported file format"
# how Python begins the error that quotes a text
UNDECODABLE = "Could not decode"
MALFORMED_SCHEMA = "malformed database schema"


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether `error` means that the file is a damaged database."""
    code = getattr(error, "sqlite_errorname", "") or ""
    return code.startswith("SQLITE_CORRUPT") or str(error).startswith((UNKNOWN_FORMAT, MALFORMED_SCHEMA))


def quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def opened(
    path: Path, *, mode: str = "ro", immutable: bool = False, locking: bool = True, attached: int = 0
) -> sqlite3.Connection:
    """Open the database `path` with limits: its origin is unknown. No other function opens a SQLite file.

    `mode` is ro, rw or rwc; `immutable` is for files that no other process writes (no lock, no -wal, no -shm), as is
    `locking` False for a mode other than ro. The schema may compute without end, so statements that evaluate it have to
    run under `run_with_deadline`.
    """
    # as bytes, because names need not be UTF-8; and two slashes at the beginning of a path would name a host
    name = quote(b"/" + os.fsencode(path.absolute()).lstrip(b"/"))
    uri = f"file:{name}?mode={mode}" + ("&immutable=1" if immutable else "") + ("" if locking else "&vfs=unix-none")
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=0, check_same_thread=False)
    # Python's default quotes a text that is not UTF-8 in its error, which may be a password
    connection.text_factory = lambda raw: raw.decode(errors="replace")
    try:
        set_limits(connection, seconds=time_limit(path), attached=attached)
        if mode == "ro":
            connection.execute("PRAGMA query_only=ON")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def connected(path: Path, *, immutable: bool = False) -> Iterator[sqlite3.Connection]:
    """Open `path` for reading only; `immutable` as `opened` has it."""
    with closing(opened(path, immutable=immutable)) as connection:
        yield connection


def tolerate_schema(connection: sqlite3.Connection) -> None:
    """Allow statements that do not need the parts of the schema that this SQLite cannot parse."""
    connection.execute("PRAGMA writable_schema=ON")


def exact_text(raw: bytes) -> str:
    """Decode a text of SQLite without loss, as a `text_factory`: bytes that are not UTF-8 become lone surrogates."""
    return raw.decode(errors="surrogateescape")


def error_text(error: sqlite3.Error) -> str:
    """Return the message of SQLite without values from rows."""
    text = str(error)
    return "a text in it is not UTF-8" if text.startswith(UNDECODABLE) else text


def locked_error(path: Path, lock_timeout: float) -> ComponentError:
    return ComponentError(
        f"{path} stayed locked by another process for {lock_timeout:g} s.",
        hint="Find the process that holds a transaction open, or raise BACKUP_LOCK_TIMEOUT.",
    )


def component_error(
    error: sqlite3.Error, path: Path, lock_timeout: float, *, copy: Path | None = None
) -> ComponentError:
    """Translate an error of SQLite into a ComponentError with a hint for the operator.

    `copy` is the file that `path` was copied to: its disk may be the one that is full.
    """
    code = getattr(error, "sqlite_errorname", "") or ""
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return locked_error(path, lock_timeout)
    if code == "SQLITE_INTERRUPT":
        hint = "Raise BACKUP_CHECK_TIMEOUT if the database is that large."
        return NotCheckable(f"{path} takes too long to read.", hint, reason="it takes too long to read")
    if code == "SQLITE_NOTADB":
        return DamagedComponent(f"{path} is not a SQLite database.", hint="Correct the path of the component.")
    if is_damage(error):
        return DamagedComponent(
            f"{path} is corrupt: {error_text(error)}.", hint="Restore it from the last good backup."
        )
    if code in ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE"):
        # a database of an archive is known by its name alone
        disks = [file for file in (path, copy) if file is not None and file.is_absolute()]
        hint = space_hint(*disks) if disks else "Free space where BACKUP_WORKSPACE_ROOT lies."
        return ScratchFailed(f"No space left while copying {path}.", hint=hint)
    if code.startswith("SQLITE_IOERR") or code == "SQLITE_NOMEM":
        hint = "Check the system log for a failing disk."
        return ScratchFailed(f"{path} cannot be read: {error_text(error)}.", hint=hint)
    if code == "SQLITE_READONLY_ROLLBACK" or (code.startswith("SQLITE_READONLY") and journal_of(path).exists()):
        return DamagedComponent(
            f"{path} holds an unfinished transaction of a process that died.",
            hint="Start and stop the service once, which rolls the transaction back.",
        )
    if code in WAL_OUT_OF_REACH:
        return ComponentError(
            f"{path} is in WAL mode, and this user may not make the files that go with it in that folder.",
            hint="Run as the user of the service; others can read it only while the service has it open.",
        )
    # decided by the code, because a message may quote any name of the schema
    hint = RIGHTS if code.startswith(OUT_OF_REACH) else ""
    return ComponentError(f"{path} cannot be read: {error_text(error)}.", hint=hint)


def wal_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def journal_of(path: Path) -> Path:
    return path.with_name(path.name + "-journal")
