"""Opening SQLite files, and what their errors mean to the operator."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from backups.components.sqlite.untrusted.limits import patience, restrain
from backups.errors import ComponentError, DamagedComponent, NotCheckable, ScratchFailed

# a database in WAL mode is read through two files beside it, which the first reader makes
WAL_OUT_OF_REACH = ("SQLITE_READONLY_DIRECTORY", "SQLITE_READONLY_CANTINIT", "SQLITE_READONLY_RECOVERY")
# what has to do with the rights of this user
OUT_OF_REACH = ("SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH", "SQLITE_READONLY")
RIGHTS = "Check that this user may read the file and its folder."
# what SQLite says of a header that no version of it writes
UNKNOWN_FORMAT = "unsupported file format"
# how Python begins the error that quotes a text
UNDECODABLE = "Could not decode"
MALFORMED_SCHEMA = "malformed database schema"


def is_damage(error: sqlite3.Error) -> bool:
    """True when `error` says that the file is a database that is damaged."""
    code = getattr(error, "sqlite_errorname", "") or ""
    return code.startswith("SQLITE_CORRUPT") or str(error).startswith((UNKNOWN_FORMAT, MALFORMED_SCHEMA))


def quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def opened(path: Path, *, mode: str = "ro", immutable: bool = False, attached: int = 0) -> sqlite3.Connection:
    """Open a file of unknown origin, whose schema may be a program that never ends: the one place that opens any.

    `mode` is ro, rw or rwc; `immutable` is for files that nobody else writes (no lock, no -wal, no -shm). What the
    schema can compute has to run under `watched`.
    """
    uri = f"file:{quote(str(path))}?mode={mode}" + ("&immutable=1" if immutable else "")
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=0, check_same_thread=False)
    # by default Python quotes a text that is no UTF-8 in its error, be it a password; `exact_text` loses nothing of it
    connection.text_factory = lambda raw: raw.decode(errors="replace")
    try:
        restrain(connection, seconds=patience(path), attached=attached)
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
    """Let statements pass that need nothing of a schema in which something cannot be understood."""
    connection.execute("PRAGMA writable_schema=ON")


def exact_text(raw: bytes) -> str:
    """Return a text of SQLite, bytes that are no UTF-8 as lone surrogates: a `text_factory` that loses nothing."""
    return raw.decode(errors="surrogateescape")


def said(error: sqlite3.Error) -> str:
    """Return what SQLite says, without what a row holds."""
    text = str(error)
    return "a text in it is not UTF-8" if text.startswith(UNDECODABLE) else text


def locked(path: Path, lock_timeout: float) -> ComponentError:
    return ComponentError(
        f"{path} stayed locked by another process for {lock_timeout:g} s.",
        hint="Find the process that holds a transaction open, or raise BACKUP_LOCK_TIMEOUT.",
    )


def explained(error: sqlite3.Error, path: Path, lock_timeout: float) -> ComponentError:
    """Translate an error of SQLite into what the operator can do about it."""
    code = getattr(error, "sqlite_errorname", "") or ""
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return locked(path, lock_timeout)
    if code == "SQLITE_INTERRUPT":
        hint = "Raise BACKUP_CHECK_TIMEOUT where it may."
        return NotCheckable(f"{path} takes too long to read.", hint, reason="it takes too long to read")
    if code == "SQLITE_NOTADB":
        return DamagedComponent(f"{path} is not a SQLite database.", hint="Correct the path of the component.")
    if is_damage(error):
        return DamagedComponent(f"{path} is corrupt: {said(error)}.", hint="Restore it from the last good backup.")
    if code in ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE"):
        return ScratchFailed(
            f"No space left while copying {path}.", hint="Free space where BACKUP_WORKSPACE_ROOT lies."
        )
    if code.startswith("SQLITE_IOERR") or code == "SQLITE_NOMEM":
        hint = "Look into the system log for a failing disk."
        return ScratchFailed(f"{path} cannot be read: {said(error)}.", hint=hint)
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
    # by its code: a message may quote any name of the schema
    hint = RIGHTS if code.startswith(OUT_OF_REACH) else ""
    return ComponentError(f"{path} cannot be read: {said(error)}.", hint=hint)


def journal_of(path: Path) -> Path:
    return path.with_name(path.name + "-journal")
