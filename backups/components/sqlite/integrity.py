"""Whether the copy of a database is sound, and what of it cannot be checked by this SQLite without its application.

Source: https://www.sqlite.org/pragma.html#pragma_quick_check
"""

import re
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from backups.components.sqlite.connection import connected, explained, quoted
from backups.components.sqlite.untrusted.application import TROUBLE, StandIns
from backups.components.sqlite.untrusted.deadline import NO_MEMORY, NOT_TEXT, Checkpoint, watched
from backups.components.sqlite.untrusted.limits import COMPUTED_BYTES, STORED_BYTES, limit_values, patience
from backups.components.sqlite.untrusted.schema import Schema, read_schema
from backups.errors import DamagedComponent, NotCheckable
from destinations.lib.formats import counted, printable

Execute = Callable[[str], sqlite3.Cursor]

# how the findings about pages begin; all others are about the rows of one table
ABOUT_PAGES = "*** in database"
# what a row must not hold; a value that is computed may be NULL because it is larger than is allowed
ABOUT_VALUES = re.compile(r"\S+ value in .*")
# SQLite takes such a name for the number of findings that it may return
NOT_CHECKED_ALONE = re.compile(r"[+-]?\d.*", re.DOTALL)
LONGEST_REASON = 200
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Unchecked:
    """A table that cannot be checked or counted here, "" for the whole database, and why."""

    table: str
    reason: str


def check(path: Path, *, full: bool = False, checkpoint: Checkpoint = lambda _: None) -> tuple[Unchecked, ...]:
    """Prove that the copy `path` is a sound database: ``quick_check``, or ``integrity_check`` with its indexes too.

    Returns what could not be checked. Raises DamagedComponent with the first finding, and what `checkpoint` raises.
    """
    try:
        return watched(
            partial(connected, path, immutable=True),
            partial(examine, path=path, name=path.name, full=full),
            seconds=patience(path),
            checkpoint=checkpoint,
        )
    except NotCheckable as error:
        return (Unchecked("", error.reason),)
    except sqlite3.Error as error:
        raise explained(error, Path(path.name), 0) from error


def examine(connection: sqlite3.Connection, *, path: Path, name: str, full: bool = False) -> tuple[Unchecked, ...]:
    """Do what `check` does with the open `connection` to `path`; an error calls the database `name`.

    Raises DamagedComponent, and sqlite3.Error where it cannot be read.
    """
    connection.text_factory = lambda text: text.decode(errors="replace")
    schema = read_schema(connection, path)
    # CHECK constraints may call functions that only the application registers (Django's REGEXP).
    connection.execute("PRAGMA ignore_check_constraints=ON")
    checking = _Checking(connection, schema, name)
    if schema.not_understood:
        return checking.one_by_one()
    if full and checking.is_sound("integrity_check", connection.execute):
        return ()
    if full:
        # before there are stand-ins: an index is compared with its table only where its order and functions are known
        checking.indexes()
    if checking.is_sound("quick_check", checking.stand_ins.execute):
        return ()
    return checking.one_by_one()


class _Checking:
    """The check of the database `name`, as a whole or table by table. All raise DamagedComponent and sqlite3.Error."""

    def __init__(self, connection: sqlite3.Connection, schema: Schema, name: str) -> None:
        self.stand_ins = StandIns(connection)
        self._connection, self._schema, self._name = connection, schema, name
        # what SQLite called corrupt while virtual tables had a part in the check
        self._suspicion = ""

    def is_sound(self, pragma: str, execute: Execute) -> bool:
        """True when everything was checked, the list of free pages too; False to look table by table."""
        limit_values(self._connection, COMPUTED_BYTES if self._schema.computes else STORED_BYTES)
        try:
            finding = _finding(execute, pragma, "1")
        except TROUBLE as error:
            # a virtual table may call its own rows corrupt, its ordinary ones are looked at one by one
            if is_about_checking(error):
                return False
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
            finding, reason = self._finding_of(table, "quick_check", self.stand_ins.execute)
            if finding != "ok" and not self._may_be_computed(finding, table in self._schema.computing):
                raise self._corrupt(finding)
            if finding != "ok":
                reason = f"its application is needed to tell what this is: {finding[:LONGEST_REASON]}"
            reasons.setdefault(table, reason)
        limit_values(self._connection, COMPUTED_BYTES)
        reasons |= {table: self._reason_against_virtual(table) for table in self._schema.virtual}
        found = [Unchecked(table, reason) for table, reason in reasons.items() if reason]
        if self._suspicion and not found:
            found = [Unchecked("", f"no table of it is damaged, but SQLite says: {self._suspicion}")]
        return tuple(found)

    def _limit(self, table: str) -> None:
        limit_values(self._connection, COMPUTED_BYTES if table in self._schema.computing else STORED_BYTES)

    def _finding_of(self, table: str, pragma: str, execute: Execute) -> tuple[str, str]:
        """Return what is found in an ordinary table, and why nothing can be."""
        if NOT_CHECKED_ALONE.fullmatch(table):
            return "ok", "SQLite checks no table alone whose name begins with a digit"
        try:
            return _finding(execute, pragma, quoted(table)), ""
        except TROUBLE as error:
            if is_about_checking(error):
                return "ok", reason_of(error)
            raise

    def _reason_against_virtual(self, table: str) -> str:
        """Return what a virtual table, or its module here, finds: its rows lie in ordinary tables, which are sound."""
        try:
            finding = _finding(self.stand_ins.execute, "quick_check", quoted(table))
        except TROUBLE as error:
            if is_about_checking(error) or _is_corruption(error):
                return f"its module here says: {reason_of(error)}"
            raise
        return "" if finding == "ok" else f"its module here says: {finding[:LONGEST_REASON]}"

    def _may_be_computed(self, finding: str, computes: bool) -> bool:
        """True where `finding` may be about what cannot be computed, or is not understood, here."""
        computed = computes and (self.stand_ins.compute or ABOUT_VALUES.fullmatch(finding) is not None)
        return (computed or bool(self._schema.not_understood)) and not finding.startswith(ABOUT_PAGES)

    def _corrupt(self, finding: str) -> DamagedComponent:
        return DamagedComponent(f"{self._name} is corrupt: {finding}.", hint="Restore it from the last good backup.")


def _finding(execute: Execute, pragma: str, argument: str) -> str:
    return " ".join(str(execute(f"PRAGMA {pragma}({argument})").fetchone()[0]).split())


def is_about_checking(error: BaseException) -> bool:
    """True for an error that says nothing of the data: what the schema wants is not here, or more than is allowed."""
    return not isinstance(error, sqlite3.Error) or code_of(error).startswith(("SQLITE_ERROR", "SQLITE_TOOBIG"))


def _is_corruption(error: BaseException) -> bool:
    return code_of(error).startswith("SQLITE_CORRUPT")


def code_of(error: BaseException) -> str:
    return getattr(error, "sqlite_errorname", "") or ""


def reason_of(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return NO_MEMORY
    return NOT_TEXT if isinstance(error, UnicodeDecodeError) else " ".join(str(error).split())[:LONGEST_REASON]


def described(unchecked: Sequence[Unchecked], name: str, *, counting: bool = False) -> list[str]:
    """Return sentences for people about what of the database `name` was not checked; of many tables a few are named."""
    found = []
    for item in unchecked[:MOST_NAMED]:
        subject = f"{name}: table {item.table[:LONGEST_REASON]}" if item.table else name
        text = f"{subject} was not counted: {item.reason}" if counting else f"{subject} was not checked: {item.reason}"
        # names and reasons are of whoever made the file
        found.append(printable(text))
    if (more := len(unchecked) - MOST_NAMED) > 0:
        found.append(f"{name}: {counted(more, 'more table')} not {'counted' if counting else 'checked'}")
    return found
