"""A full check of a large database in shares, side by side.

``integrity_check`` looks each row up in each index, on one core. Here ``quick_check`` reads the whole file: the
structure of every table and index, free pages, that each page is used once, and values. Beside it two connections run
``integrity_check`` of single tables, each with some of the indexes of a table. The others are deleted from the schema
that the connection has in memory, in a transaction that is never committed.

Sources: https://www.sqlite.org/pragma.html#pragma_integrity_check, https://www.sqlite.org/pragma.html#pragma_writable_schema
"""

import os
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path

from backups.components.sqlite.connection import connected, journal_of, opened, quoted, wal_of
from backups.components.sqlite.untrusted.application import TROUBLE
from backups.components.sqlite.untrusted.deadline import Checkpoint, run_side_by_side, run_with_deadline
from backups.components.sqlite.untrusted.limits import COMPUTED_BYTES, STORED_BYTES, limit_values, time_limit
from backups.components.sqlite.untrusted.schema import read_schema
from backups.lib.paths import size_or_zero

# a smaller one is checked before the threads would have started
SHARED_FROM_BYTES = 16_000_000
# of both shares together: more would exceed the limit of memory of a run
CACHE_KIB = 34_000
# of a share whose indexes have the order of the rows, where the other one needs more
SMALL_CACHE_KIB = 4_000
# an index with fewer is small
SAMPLED_ENTRIES = 10_000
# SQLite parses such a name as the maximum number of findings
NOT_CHECKED_ALONE = re.compile(r"[+-]?\d.*", re.DOTALL)
# of the header: 1 for a rollback journal, 2 for a write-ahead log
JOURNAL_VERSIONS = slice(18, 20)
CREATED = "c"  # origin of an index that a statement created; those of constraints cannot be left out

# a table with one of its indexes, or with "" for its rows
Pair = tuple[str, str]


@dataclass(slots=True)
class _Share:
    """The tables that one connection checks, without the indexes in `left_out`.

    In `scattered` ones neighbouring entries belong to rows far from each other, so that they need a larger cache.
    """

    tables: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    scattered: bool = False


@dataclass(frozen=True, slots=True)
class _Plan:
    shares: tuple[_Share, _Share]
    pairs: frozenset[Pair]
    value_bytes: int

    def cache_kib(self, share: _Share) -> int:
        if self.shares[0].scattered == self.shares[1].scattered:
            return CACHE_KIB // 2
        return CACHE_KIB - SMALL_CACHE_KIB if share.scattered else SMALL_CACHE_KIB


def is_sound_in_shares(path: Path, checkpoint: Checkpoint = lambda _: None) -> bool:
    """Return True when the scratch copy `path`, which no other process has open, passes all that a full check finds.

    False when something was found, or `path` cannot be checked in shares: then the full check of the whole decides.
    Raises NotCheckable after the time limit, and what `checkpoint` raises.
    """
    if size_or_zero(path) < SHARED_FROM_BYTES or len(os.sched_getaffinity(0)) == 1 or _has_journal(path):
        return False
    reading, seconds = partial(connected, path, immutable=True), time_limit(path)
    try:
        plan = run_with_deadline(reading, partial(_planned, path), seconds=seconds, checkpoint=checkpoint)
        if plan is None:
            return False
        works = [
            (partial(_scratch, path), partial(_check_share, share, plan.cache_kib(share), plan.value_bytes))
            for share in plan.shares
        ]
        works.append((reading, partial(_check_structure, plan.value_bytes)))
        checked = run_side_by_side(works, seconds=seconds, checkpoint=checkpoint)
    except (sqlite3.Error, RuntimeError):  # RuntimeError: no memory for three threads, one may still start
        return False
    # what each share had in its schema, not what it was meant to have: together it has to be everything
    return plan.pairs == frozenset().union(*checked)


def _has_journal(path: Path) -> bool:
    """Return whether a connection that may write would first do so, from a journal or a log beside the copy."""
    with path.open("rb") as file:
        versions = file.read(JOURNAL_VERSIONS.stop)[JOURNAL_VERSIONS]
    log = wal_of(path)
    return versions != b"\x01\x01" or journal_of(path).exists() or log.exists()


def _planned(path: Path, connection: sqlite3.Connection) -> _Plan | None:
    """Return how to share the check; None where not each table of the schema can be checked alone."""
    connection.text_factory = lambda text: text.decode(errors="replace")
    schema = read_schema(connection, path)
    if schema.not_understood:
        return None
    tables = tuple(_tables(connection))
    # the check of the whole has no table that they lack: odd names, and virtual tables, are in one of them alone
    if sorted(tables) != sorted(schema.tables) or any(map(NOT_CHECKED_ALONE.fullmatch, tables)):
        return None
    shares = (_Share(), _Share())
    for number, table in enumerate(tables):
        indexes = {name: _is_scattered(connection, table, name) for name in _indexes(connection, table, CREATED)}
        if len(indexes) < 2:
            share = shares[number % 2]
            share.tables.append(table)
            share.scattered |= any(indexes.values())
            continue
        for share in shares:
            share.tables.append(table)
        for place, name in enumerate(sorted(indexes, key=lambda name: not indexes[name])):
            shares[place % 2].scattered |= indexes[name]
            shares[1 - place % 2].left_out.append(name)
    value_bytes = COMPUTED_BYTES if schema.computes else STORED_BYTES
    return _Plan(shares, frozenset(_pairs(connection, tables)), value_bytes)


def _tables(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield all tables that the connection has in memory, whatever their entries in the schema are called."""
    for schema, name, kind, *_ in connection.execute("PRAGMA table_list"):
        if schema == "main" and kind != "view" and name not in ("sqlite_schema", "sqlite_master"):
            yield name


def _indexes(connection: sqlite3.Connection, table: str, *origins: str) -> list[str]:
    """Return the indexes of `table`, those of all rows first."""
    found = sorted(connection.execute(f"PRAGMA index_list({quoted(table)})"), key=lambda row: bool(row[4]))
    return [name for _number, name, _unique, origin, _partial in found if not origins or origin in origins]


def _pairs(connection: sqlite3.Connection, tables: Iterable[str]) -> Iterator[Pair]:
    for table in tables:
        yield table, ""
        for index in _indexes(connection, table):
            yield table, index


def _is_scattered(connection: sqlite3.Connection, table: str, index: str) -> bool:
    """Return whether the first entries of `index` go up and down in the table; it decides about memory alone."""
    query = f"SELECT rowid FROM {quoted(table)} INDEXED BY {quoted(index)} LIMIT {SAMPLED_ENTRIES}"
    try:
        rows = [row for (row,) in connection.execute(query)]
    except sqlite3.OperationalError:
        # a partial index, or a table without rowid
        return False
    rising = sum(first < second for first, second in pairwise(rows))
    return len(rows) == SAMPLED_ENTRIES and 0.1 < rising / SAMPLED_ENTRIES < 0.9


@contextmanager
def _scratch(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(opened(path, mode="rw", locking=False)) as connection:
        yield connection


def _check_share(share: _Share, cache_kib: int, value_bytes: int, connection: sqlite3.Connection) -> frozenset[Pair]:
    """Check the tables of `share`, and return them with the indexes that were checked."""
    try:
        _prepare(connection, value_bytes)
        connection.execute(f"PRAGMA cache_size=-{cache_kib}")
        _leave_out(connection, share.left_out)
        for table in share.tables:
            _require_ok(connection, f"integrity_check({quoted(table)})")
        return frozenset(_pairs(connection, share.tables))
    except TROUBLE as error:
        raise _not_sound() from error


def _check_structure(value_bytes: int, connection: sqlite3.Connection) -> frozenset[Pair]:
    try:
        _prepare(connection, value_bytes)
        _require_ok(connection, "quick_check(1)")
    except TROUBLE as error:
        raise _not_sound() from error
    return frozenset()


def _prepare(connection: sqlite3.Connection, value_bytes: int) -> None:
    connection.text_factory = lambda text: text.decode(errors="replace")
    # as in every check: they may call functions that only the application registers
    connection.execute("PRAGMA ignore_check_constraints=ON")
    limit_values(connection, value_bytes)


def _leave_out(connection: sqlite3.Connection, indexes: list[str]) -> None:
    """Delete `indexes` from the schema of `connection`; closing it rolls back, and nothing reaches the file."""
    for statement in ("journal_mode=MEMORY", "cache_spill=OFF", "writable_schema=ON"):
        connection.execute(f"PRAGMA {statement}")
    connection.execute("BEGIN")
    names = ", ".join("?" * len(indexes))
    connection.execute(f"DELETE FROM sqlite_master WHERE type = 'index' AND name IN ({names})", indexes)
    connection.execute("PRAGMA writable_schema=RESET")


def _require_ok(connection: sqlite3.Connection, pragma: str) -> None:
    if connection.execute(f"PRAGMA {pragma}").fetchone()[0] != "ok":
        raise _not_sound()


def _not_sound() -> sqlite3.Error:
    """Return the error by which a share ends the others."""
    return sqlite3.DatabaseError("a share of the check found something, or could not be made")
