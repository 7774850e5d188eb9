"""Virtual tables whose module, tokenizer or content this SQLite cannot open: the database is restored all the same."""

from collections.abc import Callable
from pathlib import Path

import pytest

from backups.components import sqlite
from backups.components.sqlite.restore import restore_into
from backups.components.sqlite.schema_comparison import schema_notes
from backups.components.sqlite.verify import file_state, verify_restored
from tests.components.sqlite.test_virtual_tables import foreign_tokenizer_fts4, foreign_tokenizer_fts5
from tests.support.databases.hostile_schemas import make
from tests.support.databases.sqlite_files import rows_of

ORDINARY = ("CREATE TABLE t(x TEXT)", "INSERT INTO t VALUES ('a'), ('b')")
Making = Callable[[Path], Path]


def unknown_module(path: Path) -> Path:
    declared = "INSERT INTO sqlite_master VALUES ('table', 'f', 'f', 0, 'CREATE VIRTUAL TABLE f USING vec0(x)')"
    return make(path, *ORDINARY, "PRAGMA writable_schema=ON", declared)


def lost_configuration_fts5(path: Path) -> Path:
    full_text = ("CREATE VIRTUAL TABLE f USING fts5(a)", "INSERT INTO f VALUES ('one')")
    return make(path, *ORDINARY, *full_text, "DELETE FROM f_config")


def lost_index_fts5(path: Path) -> Path:
    full_text = ("CREATE VIRTUAL TABLE f USING fts5(a)", "INSERT INTO f VALUES ('one')")
    return make(path, *ORDINARY, *full_text, "DELETE FROM f_data")


def shortened_node_rtree(path: Path) -> Path:
    boxes = ("CREATE VIRTUAL TABLE f USING rtree(id, low, high)", "INSERT INTO f VALUES (1, 1, 2)")
    return make(path, *ORDINARY, *boxes, "UPDATE f_node SET data = zeroblob(1)")


NOT_OPENED: list[Making] = [
    foreign_tokenizer_fts4, foreign_tokenizer_fts5, lost_configuration_fts5, lost_index_fts5, shortened_node_rtree,
    unknown_module,
]  # fmt: skip


def exported(source: Path) -> Path:
    copy = source.with_name("copy.db")
    sqlite.snapshot(source, copy, lock_timeout=1, checkpoint=lambda _: None)
    return copy


@pytest.mark.parametrize("making", NOT_OPENED)
def test_it_is_restored_into_a_database_that_lacks_the_table(tmp_path: Path, making: Making) -> None:
    staged = exported(making(tmp_path / "source.db"))
    sqlite.check(staged, full=True)
    live = make(tmp_path / "live.db", "CREATE TABLE t(x TEXT)")
    assert schema_notes(staged, live, "orders") == []
    restore_into(staged, live, lock_timeout=1, checkpoint=lambda _: None)
    verify_restored(live, sqlite.facts(staged).tables, file_state(live), lock_timeout=1)
    assert rows_of(live, "SELECT x FROM t") == [("a",), ("b",)]


@pytest.mark.parametrize("making", NOT_OPENED)
def test_tables_that_the_backup_lacks_are_named_beside_one_that_cannot_be_opened(
    tmp_path: Path, making: Making
) -> None:
    staged = exported(make(tmp_path / "source.db", "CREATE TABLE other(y)"))
    (note,) = schema_notes(staged, making(tmp_path / "live.db"), "orders")
    # of many tables the first in the alphabet are named
    assert note.partition("it does not have ")[2].startswith("f")
