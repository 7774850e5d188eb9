"""Checking that a database copy is sound, and reporting what SQLite cannot check here without its application.

Source: https://www.sqlite.org/pragma.html#pragma_quick_check
"""

import re
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from backups.components.sqlite.connection import component_error, connected, quoted
from backups.components.sqlite.shares import NOT_CHECKED_ALONE, is_sound_in_shares
from backups.components.sqlite.untrusted.application import TROUBLE, Stubs
from backups.components.sqlite.untrusted.deadline import NO_MEMORY, NOT_TEXT, Checkpoint, run_with_deadline
from backups.components.sqlite.untrusted.limits import COMPUTED_BYTES, STORED_BYTES, limit_values, time_limit
from backups.components.sqlite.untrusted.schema import Schema, read_schema
from backups.errors import DamagedComponent, NotCheckable
from destinations.lib.formats import counted, printable

Execute = Callable[[str], sqlite3.Cursor]

# prefix of findings about pages; all others are about the rows of one table
ABOUT_PAGES = "*** in database"
# findings about values: a computed one may be NULL because it is larger than the limit
ABOUT_VALUES = re.compile(r"\S+ value in .*")
LONGEST_REASON = 200
FULL_CHECK_CACHE_KIB = 24_000
MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class Unchecked:
    """A table that cannot be checked or counted here, "" for the whole database, and why."""

    table: str
    reason: str


def check(path: Path, *, full: bool = False, checkpoint: Checkpoint = lambda _: None) -> tuple[Unchecked, ...]:
    """Check the copy `path` with ``quick_check``, or when `full` with ``integrity_check``, which compares indexes too.

    Returns what could not be checked. Raises DamagedComponent with the first finding, and what `checkpoint` raises.
    """
    try:
        if full and is_sound_in_shares(path, checkpoint):
            return ()
        return run_with_deadline(
            partial(connected, path, immutable=True),
            partial(examine, path=path, name=path.name, full=full),
            seconds=time_limit(path),
            checkpoint=checkpoint,
        )
    except NotCheckable as error:
        return (Unchecked("", error.reason),)
    except sqlite3.Error as error:
        raise component_error(error, Path(path.name), 0, copy=path) from error


def examine(connection: sqlite3.Connection, *, path: Path, name: str, full: bool = False) -> tuple[Unchecked, ...]:
    """Check the database of the open `connection` to `path` as `check` does; errors call it `name`.

    Raises DamagedComponent, and sqlite3.Error where it cannot be read.
    """
    connection.text_factory = lambda text: text.decode(errors="replace")
    schema = read_schema(connection, path)
    # CHECK constraints may call functions that only the application registers (Django's REGEXP)
    connection.execute("PRAGMA ignore_check_constraints=ON")
    check_run = _Check(connection, schema, name)
    if schema.not_understood:
        return check_run.one_by_one()
    if full:
        # each row is looked up in each index: with SQLite's own 2 MB, most pages are read many times
        connection.execute(f"PRAGMA cache_size=-{FULL_CHECK_CACHE_KIB}")
    if full and check_run.is_sound("integrity_check", connection.execute):
        return ()
    if full:
        # before stubs are registered: comparing an index needs the real collations and functions
        check_run.indexes()
    if check_run.is_sound("quick_check", check_run.stubs.execute):
        return ()
    return check_run.one_by_one()


class _Check:
    """A check of the database `name`, as a whole or table by table.

    Its methods raise DamagedComponent and sqlite3.Error.
    """

    def __init__(self, connection: sqlite3.Connection, schema: Schema, name: str) -> None:
        self.stubs = Stubs(connection)
        self._connection, self._schema, self._name = connection, schema, name
        # a corruption reported by a check that included virtual tables
        self._suspicion = ""

    def is_sound(self, pragma: str, execute: Execute) -> bool:
        """Return True when the whole file passed, free pages included; False when each table must be checked alone."""
        limit_values(self._connection, COMPUTED_BYTES if self._schema.computes else STORED_BYTES)
        try:
            finding = _finding(execute, pragma, "1")
        except TROUBLE as error:
            if is_about_checking(error):
                return False
            # a virtual table may report its own rows as corrupt: the ordinary tables are then checked one by one
            if not (self._schema.virtual and _is_corruption(error)):
                raise
            self._suspicion = reason_of(error)
            return False
        if finding == "ok":
            return True
        maybe_virtual = self._schema.virtual and not finding.startswith(ABOUT_PAGES)
        if not (maybe_virtual or self._may_be_computed(finding, self._schema.computes)):
            raise self._corrupt(finding)
        return False

    def indexes(self) -> None:
        for table in self._schema.tables:
            self._limit(table)
            finding, _reason = self._finding_of(table, "integrity_check", self._connection.execute)
            if finding != "ok" and not self._may_be_computed(finding, table in self._schema.computing):
                raise self._corrupt(finding)

    def one_by_one(self) -> tuple[Unchecked, ...]:
        reasons = {**self._schema.not_understood, **self._schema.unreadable}
        for table in self._schema.tables:
            self._limit(table)
            finding, reason = self._finding_of(table, "quick_check", self.stubs.execute)
            if finding != "ok" and not self._may_be_computed(finding, table in self._schema.computing):
                raise self._corrupt(finding)
            if finding != "ok":
                reason = f"the finding depends on functions of its application: {finding[:LONGEST_REASON]}"
            reasons.setdefault(table, reason)
        limit_values(self._connection, COMPUTED_BYTES)
        reasons |= {table: self._virtual_table_reason(table) for table in self._schema.virtual}
        found = [Unchecked(table, reason) for table, reason in reasons.items() if reason]
        if self._suspicion and not found:
            found = [Unchecked("", f"no table of it is damaged, but SQLite reports: {self._suspicion}")]
        return tuple(found)

    def _limit(self, table: str) -> None:
        limit_values(self._connection, COMPUTED_BYTES if table in self._schema.computing else STORED_BYTES)

    def _finding_of(self, table: str, pragma: str, execute: Execute) -> tuple[str, str]:
        """Return the finding about an ordinary table, and the reason where it cannot be checked."""
        if NOT_CHECKED_ALONE.fullmatch(table):
            return "ok", "SQLite cannot check a single table whose name begins with a digit"
        try:
            return _finding(execute, pragma, quoted(table)), ""
        except TROUBLE as error:
            if is_about_checking(error):
                return "ok", reason_of(error)
            raise

    def _virtual_table_reason(self, table: str) -> str:
        """Return why a virtual table counts as unchecked; empty when its module finds nothing."""
        # never damage: its rows lie in ordinary tables, which have been checked already
        try:
            finding = _finding(self.stubs.execute, "quick_check", quoted(table))
        except TROUBLE as error:
            if is_about_checking(error) or _is_corruption(error):
                return f"its module here reports: {reason_of(error)}"
            raise
        return "" if finding == "ok" else f"its module here reports: {finding[:LONGEST_REASON]}"

    def _may_be_computed(self, finding: str, computes: bool) -> bool:
        """Return whether `finding` may come from something that this SQLite cannot compute or parse."""
        computed = computes and (self.stubs.compute or ABOUT_VALUES.fullmatch(finding) is not None)
        return (computed or bool(self._schema.not_understood)) and not finding.startswith(ABOUT_PAGES)

    def _corrupt(self, finding: str) -> DamagedComponent:
        return DamagedComponent(f"{self._name} is corrupt: {finding}.", hint="Restore it from the last good backup.")


def _finding(execute: Execute, pragma: str, argument: str) -> str:
    return " ".join(str(execute(f"PRAGMA {pragma}({argument})").fetchone()[0]).split())


def is_about_checking(error: BaseException) -> bool:
    """Return whether `error` is about the check and not the data: something is missing here, or a limit is exceeded."""
    return not isinstance(error, sqlite3.Error) or code_of(error).startswith(("SQLITE_ERROR", "SQLITE_TOOBIG"))


def _is_corruption(error: BaseException) -> bool:
    return code_of(error).startswith("SQLITE_CORRUPT")


def code_of(error: BaseException) -> str:
    return getattr(error, "sqlite_errorname", "") or ""


def reason_of(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return NO_MEMORY
    return NOT_TEXT if isinstance(error, UnicodeDecodeError) else " ".join(str(error).split())[:LONGEST_REASON]


def unchecked_notes(unchecked: Sequence[Unchecked], name: str, *, counting: bool = False) -> list[str]:
    """Return notes on what of the database `name` was not checked, or counted; at most MAX_NAMED tables are named."""
    found = []
    for item in unchecked[:MAX_NAMED]:
        subject = f"{name}: table {item.table[:LONGEST_REASON]}" if item.table else name
        text = f"{subject} was not counted: {item.reason}" if counting else f"{subject} was not checked: {item.reason}"
        # names and reasons come from the file
        found.append(printable(text))
    if (more := len(unchecked) - MAX_NAMED) > 0:
        found.append(f"{name}: {counted(more, 'more table')} not {'counted' if counting else 'checked'}")
    return found
