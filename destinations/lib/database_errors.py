"""Errors of the site's own database, each with the hint that belongs to it."""

import re
from pathlib import Path

from django.db import DatabaseError, connection

from destinations.lib.disks import free_bytes, space_hint
from destinations.lib.operator_error import OperatorError, sentences

MIGRATE = "Run 'manage.py migrate' first."
# SQLite and PostgreSQL (undefined_table, undefined_column)
NO_SUCH_TABLE = re.compile(r"no such (table|column): |table \S+ has no column named ")
UNDEFINED = ("42P01", "42703")
# disk_full
FULL = "53100"
# SQLite reports a write-ahead log that cannot grow as an I/O error; so much is needed for the smallest change
LEAST_FREE = 256 << 10


class DatabaseUnusable(OperatorError):  # noqa: N818 - named for what happened, as the others
    """The database of the site cannot be read or written."""


def database_error(error: DatabaseError) -> DatabaseUnusable:
    """Return the error that an operator reads for `error` of the site's database."""
    return DatabaseUnusable(sentences(f"The database cannot be used: {error}"), _hint(error))


def _hint(error: DatabaseError) -> str:
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    if NO_SUCH_TABLE.search(str(error)) or state in UNDEFINED:
        return MIGRATE
    if connection.vendor != "sqlite":
        if state == FULL:
            return "Free space on the disk of the database server."
        # without a state there was no answer of a server
        return "" if state else "Check that the database server is running and that DATABASE_URL is right."
    return _sqlite_hint(getattr(cause, "sqlite_errorname", ""), Path(str(connection.settings_dict["NAME"])))


def _sqlite_hint(code: str, file: Path) -> str:
    if code.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN")) and _is_full(file):
        return space_hint(file)
    if code.startswith("SQLITE_IOERR"):
        return f"{file} is on a disk or share that fails: see the log of the system."
    if code.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
        return f"The user of this process must be able to write {file} and its folder, and to open more files."
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return f"{file} is damaged or no database of this site: docs/catalogue.md says how to begin anew from archives."
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "Another process keeps the database locked: run the command again when it has ended."
    return ""


def _is_full(file: Path) -> bool:
    try:
        return free_bytes(file) < LEAST_FREE
    except OSError:  # the file system is gone: then it is not its size that matters
        return False
