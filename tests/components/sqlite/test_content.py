"""Databases of applications with their own functions, collations, virtual tables and unusual names."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from backups.components import sqlite
from backups.errors import DamagedComponent

Register = Callable[[sqlite3.Connection], None]


def database(path: Path, *statements: str, register: Register = lambda _: None) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        register(connection)
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return path


def exported(source: Path) -> sqlite.Facts:
    """Copy, check in both ways and count."""
    copy = source.with_name("copy.db")
    sqlite.snapshot(source, copy, lock_timeout=1, checkpoint=lambda _: None)
    sqlite.check(copy)
    sqlite.check(copy, full=True)
    return sqlite.facts(copy)


def test_an_empty_database_has_no_tables(tmp_path: Path) -> None:
    assert exported(database(tmp_path / "live.db")) == sqlite.Facts({})


def test_a_file_without_a_byte_is_an_empty_database(tmp_path: Path) -> None:
    (tmp_path / "live.db").touch()
    assert exported(tmp_path / "live.db").records == 0


def test_tables_without_rowid_are_counted(tmp_path: Path) -> None:
    source = database(
        tmp_path / "live.db",
        "CREATE TABLE t(name TEXT PRIMARY KEY, created_at TEXT) WITHOUT ROWID",
        "INSERT INTO t VALUES ('a', '2026-01-01'), ('b', '2026-01-02')",
    )
    assert exported(source) == sqlite.Facts({"t": 2})


def test_virtual_tables_are_counted_through_their_shadow_tables(tmp_path: Path) -> None:
    source = database(
        tmp_path / "live.db",
        "CREATE VIRTUAL TABLE pages USING fts5(body)",
        "INSERT INTO pages VALUES ('one'), ('two'), ('three')",
        "CREATE VIRTUAL TABLE boxes USING rtree(id, low, high)",
        "INSERT INTO boxes VALUES (1, 2, 3)",
    )
    tables = exported(source).tables
    assert tables["pages_content"] == 3
    assert tables["boxes_rowid"] == 1
    assert not {"pages", "boxes"} & set(tables)


def test_a_virtual_table_of_an_unknown_module_is_not_damage(tmp_path: Path) -> None:
    source = database(
        tmp_path / "live.db",
        "CREATE TABLE t(x)",
        "PRAGMA writable_schema=ON",
        "INSERT INTO sqlite_master VALUES ('table', 'v', 'v', 0, 'CREATE VIRTUAL TABLE v USING nosuch(x)')",
    )
    assert exported(source) == sqlite.Facts({"t": 0})


def test_a_check_with_a_function_of_the_application_does_no_harm(tmp_path: Path) -> None:
    source = database(
        tmp_path / "live.db",
        "CREATE TABLE t(name TEXT CHECK (name REGEXP '^[a-z]+$'))",
        "INSERT INTO t VALUES ('abc')",
        register=lambda connection: connection.create_function("REGEXP", 2, lambda *_: True, deterministic=True),
    )
    assert exported(source) == sqlite.Facts({"t": 1})


def test_an_index_with_a_function_of_the_application_does_no_harm(tmp_path: Path) -> None:
    source = database(
        tmp_path / "live.db",
        "CREATE TABLE t(name TEXT, upper TEXT AS (LOUD(name)))",
        "CREATE INDEX loud ON t(LOUD(name))",
        "INSERT INTO t VALUES ('abc')",
        register=lambda connection: connection.create_function("LOUD", 1, str.upper, deterministic=True),
    )
    assert exported(source) == sqlite.Facts({"t": 1})


@pytest.mark.parametrize("options", ["", "WITHOUT ROWID"])
def test_an_index_with_a_collation_of_the_application_does_no_harm(tmp_path: Path, options: str) -> None:
    source = database(
        tmp_path / "live.db",
        f"CREATE TABLE t(name TEXT COLLATE BACKWARDS PRIMARY KEY, other TEXT COLLATE SIDEWAYS UNIQUE) {options}",
        "INSERT INTO t VALUES ('a', '1'), ('b', '2'), ('c', '3')",
        register=lambda connection: (
            [
                connection.create_collation(name, lambda left, right: (left < right) - (left > right))
                for name in ("BACKWARDS", "SIDEWAYS")
            ]
            and None
        ),
    )
    assert exported(source) == sqlite.Facts({"t": 3})


def test_a_full_check_finds_an_index_that_lost_a_row(tmp_path: Path) -> None:
    source = database(
        tmp_path / "live.db",
        "CREATE TABLE t(name TEXT)",
        "CREATE INDEX names ON t(name) WHERE name = 'a'",
        "INSERT INTO t VALUES ('a'), ('b')",
        "PRAGMA writable_schema=ON",
        "UPDATE sqlite_master SET sql = 'CREATE INDEX names ON t(name)' WHERE name = 'names'",
    )
    if sqlite3.sqlite_version_info < (3, 44):
        sqlite.check(source)
    with pytest.raises(
        DamagedComponent, match=r"^live\.db is corrupt: (row 2 missing from|wrong # of entries in) index names\.$"
    ):
        sqlite.check(source, full=True)


def test_rows_that_refer_to_nothing_are_no_damage(tmp_path: Path) -> None:
    source = database(
        tmp_path / "live.db",
        "CREATE TABLE parent(id INTEGER PRIMARY KEY)",
        "CREATE TABLE child(parent REFERENCES parent(id))",
        "INSERT INTO child VALUES (7)",
    )
    assert exported(source).records == 1


def test_odd_names_of_tables_are_counted(tmp_path: Path) -> None:
    source = database(tmp_path / "live.db", 'CREATE TABLE "a""b\n;é "(x)', 'INSERT INTO "a""b\n;é " VALUES (1)')
    assert exported(source).tables == {'a"b\n;é ': 1}


def test_the_newest_row_is_the_one_that_came_last(tmp_path: Path) -> None:
    source = database(
        tmp_path / "live.db",
        "CREATE TABLE log(id INTEGER PRIMARY KEY, timestamp TEXT)",
        "INSERT INTO log VALUES (2, '2026-11-23T10:00:00'), (1, '2026-11-22T10:00:00')",
        "CREATE TABLE numbers(created_at REAL)",
        "INSERT INTO numbers VALUES (1700000000.5)",
        "CREATE TABLE empty(created_at TEXT)",
        "CREATE TABLE no_time(x)",
    )
    assert exported(source).newest == {"log": "2026-11-23T10:00:00", "numbers": "1700000000.5"}


@pytest.mark.parametrize("value", ["NULL", "x'ff80'", "hex(zeroblob(3000000))"])
def test_what_is_no_time_is_left_out(tmp_path: Path, value: str) -> None:
    source = database(tmp_path / "live.db", "CREATE TABLE t(timestamp)", f"INSERT INTO t VALUES ({value})")
    assert exported(source) == sqlite.Facts({"t": 1})


def test_text_that_is_not_utf8_does_no_harm(tmp_path: Path) -> None:
    source = database(
        tmp_path / "live.db", "CREATE TABLE t(timestamp)", "INSERT INTO t VALUES (CAST(x'32303236ff' AS TEXT))"
    )
    assert exported(source).newest == {"t": "2026\ufffd"}


def test_a_database_in_utf16_is_counted(tmp_path: Path) -> None:
    source = database(
        tmp_path / "live.db", "PRAGMA encoding='UTF-16le'", "CREATE TABLE é(date)", "INSERT INTO é VALUES ('ü')"
    )
    assert exported(source) == sqlite.Facts({"é": 1}, {"é": "ü"})
