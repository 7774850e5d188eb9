"""Names in a schema, and paths, whose bytes are not UTF-8: everything is copied, and what cannot be named is noted."""

import os
from pathlib import Path

import pytest

from backups.components import sqlite
from backups.components.sqlite.restore import restore_into
from backups.components.sqlite.verify import file_state, is_same, verify_restored
from backups.errors import DamagedComponent
from tests.support.databases.hostile_schemas import make, overwrite
from tests.support.databases.sqlite_files import make_database, rows_of

PLAIN = ("CREATE TABLE plain(x)", "INSERT INTO plain VALUES (1), (2)")


def renamed(path: Path, **names: bytes) -> Path:
    """Replace names in the file by bytes of the same length."""
    content = path.read_bytes()
    for name, raw in names.items():
        assert len(raw) == len(name) and name.encode() in content
        content = content.replace(name.encode(), raw)
    path.write_bytes(content)
    return path


def exported(source: Path) -> Path:
    copy = source.with_name("copy.db")
    sqlite.snapshot(source, copy, lock_timeout=1, checkpoint=lambda _: None)
    return copy


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Return a database with two tables whose names differ in bytes that are not UTF-8."""
    made = (
        "CREATE TABLE tabAA(a REFERENCES tabBB)",
        "CREATE TABLE tabBB(a PRIMARY KEY)",
        "INSERT INTO tabAA VALUES (1)",
    )
    return renamed(make(tmp_path / "live.db", *PLAIN, *made), tabAA=b"tab\xe4\xe4", tabBB=b"tab\xf6\xf6")


def test_tables_without_a_utf8_name_are_noted_one_by_one(tables: Path) -> None:
    copy = exported(tables)
    assert sqlite.check(copy) == sqlite.check(copy, full=True) == ()
    facts = sqlite.facts(copy)
    assert (facts.tables, facts.records) == ({"plain": 2}, None)
    assert [item.table for item in facts.uncounted] == [r"tab\udce4\udce4", r"tab\udcf6\udcf6"]
    (note,) = sqlite.dangling_references(copy)
    assert r"tab\udce4\udce4 with a reference to a missing row of tab\udcf6\udcf6" in note


def test_their_pages_are_copied_and_restored(tables: Path) -> None:
    copy = exported(tables)
    live = make(tables.with_name("other.db"), "CREATE TABLE plain(x)")
    facts = sqlite.facts(copy)
    uncounted = [item.table for item in facts.uncounted]
    restore_into(copy, live, lock_timeout=1, checkpoint=lambda _: None)
    verify_restored(live, facts.tables, file_state(live), lock_timeout=1, uncounted=uncounted)
    assert is_same(copy, live, lock_timeout=1)


def test_damage_beside_such_a_table_is_found(tmp_path: Path) -> None:
    path = make(tmp_path / "live.db", *PLAIN, "CREATE TABLE tabAA(a)", "CREATE TABLE other(x)")
    renamed(path, tabAA=b"tab\xe4\xe4")
    overwrite(path, 2, 4096)
    with pytest.raises(DamagedComponent, match="corrupt"):
        sqlite.check(path)


def test_a_database_in_utf16_is_counted_by_name(tmp_path: Path) -> None:
    path = make(tmp_path / "live.db", "PRAGMA encoding='UTF-16le'", 'CREATE TABLE "größe"(x)', *PLAIN)
    assert sqlite.facts(path) == sqlite.Facts({"größe": 0, "plain": 2})


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
def test_a_database_below_a_path_that_is_not_utf8_is_exported_and_restored(tmp_path: Path, journal: str) -> None:
    folder = tmp_path / os.fsdecode(b"\xe4 #?%41")
    folder.mkdir()
    live = make_database(folder / os.fsdecode(b"\xf6.db"), rows=3, journal=journal, page=512)
    copy = exported(make_database(folder / "other.db", rows=7))
    facts = sqlite.facts(copy)
    # another page size: the copy is rebuilt in that folder
    restore_into(copy, live, lock_timeout=1, checkpoint=lambda _: None)
    assert verify_restored(live, facts.tables, file_state(live), lock_timeout=1) == []
    os.rename(live, tmp_path / "plain.db")  # noqa: PTH104 - an SQLite that is not ours reads it there
    assert len(rows_of(tmp_path / "plain.db")) == 7
