"""Opening SQLite files, and what their errors mean to the operator."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from backups.errors import ComponentError, DamagedComponent, ScratchFailed

Checkpoint = Callable[[int], None]

# a database in WAL mode is read through two files beside it, which the first reader makes
WAL_OUT_OF_REACH = ("SQLITE_READONLY_DIRECTORY", "SQLITE_READONLY_CANTINIT", "SQLITE_READONLY_RECOVERY")
# what SQLite says of a header that no version of it writes
UNKNOWN_FORMAT = "unsupported file format"
# how Python begins the error that quotes a text
UNDECODABLE = "Could not decode"
# what an error begins with where the schema uses what only the application registers
NEEDS_APPLICATION = re.compile(
    r"no such collation sequence: (?P<collation>.+)|(unknown|no such) function: (?P<function>[^(]+).*"
)


def quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


@contextmanager
def connected(path: Path, *, immutable: bool = False) -> Iterator[sqlite3.Connection]:
    """Open `path` for reading only; `immutable` for files that nobody else writes (no lock, no -wal, no -shm)."""
    uri = f"file:{quote(str(path))}?mode=ro" + ("&immutable=1" if immutable else "")
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=0, check_same_thread=False)
    # by default Python quotes a text that is no UTF-8 in its error, be it a password; `exact_text` loses nothing of it
    connection.text_factory = lambda raw: raw.decode(errors="replace")
    try:
        yield connection
    finally:
        connection.close()


def exact_text(raw: bytes) -> str:
    """Return a text of SQLite, bytes that are no UTF-8 as lone surrogates: a `text_factory` that loses nothing."""
    return raw.decode(errors="surrogateescape")


def said(error: sqlite3.Error) -> str:
    """Return what SQLite says, without what a row holds."""
    text = str(error)
    return "a text in it is not UTF-8" if text.startswith(UNDECODABLE) else text


def execute(connection: sqlite3.Connection, sql: str) -> sqlite3.Cursor:
    """Run a statement to whose result no order and no function matters, with stand-ins for the application's own."""
    while True:
        try:
            return connection.execute(sql)
        except sqlite3.OperationalError as error:
            if (missing := NEEDS_APPLICATION.fullmatch(str(error))) is None:
                raise
        if missing["collation"]:
            connection.create_collation(missing["collation"], lambda _left, _right: 1)
        else:
            connection.create_function(missing["function"], -1, lambda *_: "", deterministic=True)


def locked(path: Path, lock_timeout: float) -> ComponentError:
    return ComponentError(
        f"{path} stayed locked by another process for {lock_timeout:g} s",
        hint="find the process that holds a transaction open, or raise BACKUP_LOCK_TIMEOUT",
    )


def explained(error: sqlite3.Error, path: Path, lock_timeout: float) -> ComponentError:
    """Translate an error of SQLite into what the operator can do about it."""
    code = getattr(error, "sqlite_errorname", "") or ""
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return locked(path, lock_timeout)
    if code == "SQLITE_NOTADB":
        return DamagedComponent(f"{path} is not a SQLite database", hint="correct the path of the component")
    if code.startswith("SQLITE_CORRUPT") or str(error) == UNKNOWN_FORMAT:
        return DamagedComponent(f"{path} is corrupt: {said(error)}", hint="restore it from the last good backup")
    if code in ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE"):
        return ScratchFailed(f"no space left while copying {path}", hint="free space where BACKUP_WORKSPACE_ROOT lies")
    if code.startswith("SQLITE_IOERR") or code == "SQLITE_NOMEM":
        hint = "look into the system log for a failing disk"
        return ScratchFailed(f"{path} cannot be read: {said(error)}", hint=hint)
    if code == "SQLITE_READONLY_ROLLBACK" or (code.startswith("SQLITE_READONLY") and journal_of(path).exists()):
        return DamagedComponent(
            f"{path} holds an unfinished transaction of a process that died",
            hint="start and stop the service once, which rolls the transaction back",
        )
    if code in WAL_OUT_OF_REACH:
        return ComponentError(
            f"{path} is in WAL mode, and this user may not make the files that go with it in that folder",
            hint="run as the user of the service; others can read it only while the service has it open",
        )
    return ComponentError(
        f"{path} cannot be read: {said(error)}", hint="check that this user may read the file and its folder"
    )


def journal_of(path: Path) -> Path:
    return path.with_name(path.name + "-journal")
