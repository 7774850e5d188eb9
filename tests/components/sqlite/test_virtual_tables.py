"""Virtual tables without their application: findings of their modules are not damage of the database."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from backups.components import sqlite
from backups.errors import DamagedComponent
from tests.support.databases.hostile_schemas import declare, make, overwrite, page_of

# from this version on a check of the database runs the checks of its virtual tables
CHECKS_MODULES = sqlite3.sqlite_version_info >= (3, 44)
ORDINARY = ("CREATE TABLE t(x TEXT)", "INSERT INTO t VALUES ('a'), ('b')")


def foreign_tokenizer_fts5(path: Path) -> Path:
    make(path, *ORDINARY, "CREATE VIRTUAL TABLE f USING fts5(a, tokenize='unicode61')", "INSERT INTO f VALUES ('one')")
    return declare(path, "f", "CREATE VIRTUAL TABLE f USING fts5(a, tokenize='jieba')")


def foreign_tokenizer_fts4(path: Path) -> Path:
    make(path, *ORDINARY, "CREATE VIRTUAL TABLE f USING fts4(a, tokenize=simple)", "INSERT INTO f VALUES ('one')")
    return declare(path, "f", "CREATE VIRTUAL TABLE f USING fts4(a, tokenize=collating)")


def other_content_fts5(path: Path) -> Path:
    make(path, *ORDINARY, "CREATE VIRTUAL TABLE f USING fts5(a)", "INSERT INTO f VALUES ('one')")
    return make(path, "UPDATE f_content SET c0 = 'other words'")


def other_content_fts4(path: Path) -> Path:
    make(path, *ORDINARY, "CREATE VIRTUAL TABLE f USING fts4(a)", "INSERT INTO f VALUES ('one')")
    return make(path, "UPDATE f_content SET c0a = 'other words'")


def external_content(path: Path) -> Path:
    """An index over a table of the service, which it forgot to bring up to date."""
    make(path, *ORDINARY, "CREATE VIRTUAL TABLE f USING fts5(x, content='t')", "INSERT INTO f(f) VALUES ('rebuild')")
    return make(path, "INSERT INTO t VALUES ('never indexed')")


def lost_entry_rtree(path: Path) -> Path:
    make(path, *ORDINARY, "CREATE VIRTUAL TABLE f USING rtree(id, low, high)", "INSERT INTO f VALUES (1, 2, 3)")
    return make(path, "DELETE FROM f_rowid")


Making = Callable[[Path], Path]
STRANGE: list[Making] = [
    foreign_tokenizer_fts5, foreign_tokenizer_fts4, other_content_fts5, other_content_fts4, lost_entry_rtree,
]  # fmt: skip


@pytest.mark.parametrize("making", [*STRANGE, external_content])
def test_what_a_virtual_table_needs_or_finds_is_no_damage(tmp_path: Path, making: Making) -> None:
    source, copy = making(tmp_path / "live.db"), tmp_path / "copy.db"
    sqlite.snapshot(source, copy, lock_timeout=1, checkpoint=lambda _: None)
    for full in (False, True):
        found = sqlite.check(copy, full=full)
        if CHECKS_MODULES and making is not external_content:
            assert [item.table for item in found] == ["f"]
        else:
            assert {item.table for item in found} <= {"f"}
    facts = sqlite.facts(copy)
    assert (facts.tables["t"], "f" in facts.tables, facts.uncounted) == (2 + (making is external_content), False, ())


@pytest.mark.parametrize("making", STRANGE)
@pytest.mark.parametrize("full", [False, True])
def test_damage_of_an_ordinary_table_beside_one_is_found(tmp_path: Path, making: Making, full: bool) -> None:
    path = making(tmp_path / "live.db")
    overwrite(path, page_of(path, "t"), 4096)
    with pytest.raises(DamagedComponent, match=r"^live\.db is corrupt: "):
        sqlite.check(path, full=full)


@pytest.mark.parametrize("making", STRANGE)
@pytest.mark.parametrize("full", [False, True])
def test_damage_of_the_pages_of_a_virtual_table_is_found(tmp_path: Path, making: Making, full: bool) -> None:
    path = making(tmp_path / "live.db")
    overwrite(path, page_of(path, "f_node" if making is lost_entry_rtree else "f_content"), 4096)
    with pytest.raises(DamagedComponent, match=r"^live\.db is corrupt: "):
        sqlite.check(path, full=full)


def test_a_full_check_finds_a_lost_index_entry_beside_one(tmp_path: Path) -> None:
    path = make(foreign_tokenizer_fts5(tmp_path / "live.db"), "CREATE INDEX i ON t(x) WHERE x = 'a'")
    declare(path, "i", "CREATE INDEX i ON t(x)")
    with pytest.raises(DamagedComponent, match=r"(row 2 missing from|wrong # of entries in) index i"):
        sqlite.check(path, full=True)


def test_a_table_with_the_name_of_a_number_beside_one_is_reported_or_checked(tmp_path: Path) -> None:
    path = make(foreign_tokenizer_fts5(tmp_path / "live.db"), 'CREATE TABLE "2026"(x)', 'INSERT INTO "2026" VALUES (1)')
    assert [item.table for item in sqlite.check(path)] == (["2026", "f"] if CHECKS_MODULES else [])
    assert sqlite.facts(path).tables["2026"] == 1
