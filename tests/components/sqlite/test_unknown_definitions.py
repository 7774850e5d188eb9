"""Definitions, functions and collations that the SQLite of this host does not know."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from backups.components import sqlite
from backups.errors import DamagedComponent
from tests.support.databases.hostile_schemas import computing, declare, last_written_by, make, overwrite, page_of

FUTURE = 3_990_000


@pytest.mark.parametrize("expression", ["1" + "+1" * 20_000, "random()", "[column](1"])
def test_a_definition_that_is_not_taken_here_is_no_damage(tmp_path: Path, expression: str) -> None:
    path = last_written_by(computing(tmp_path / "live.db", expression), FUTURE)
    assert [item.table for item in sqlite.check(path)] == ["t"]
    facts = sqlite.facts(path)
    assert facts.tables["plain"] == 2
    assert (facts.records is None) == bool(facts.uncounted) == ("t" not in facts.tables)


@pytest.mark.parametrize("name", ["foo(bar", "foo()", "a\nb", "(", ")", "f(x)(", "function: g"])
def test_a_function_of_any_name_is_stood_in_for_once(tmp_path: Path, name: str) -> None:
    path = computing(tmp_path / "live.db", f"[{name}](a)")
    assert sqlite.check(path) == sqlite.check(path, full=True) == ()
    assert sqlite.facts(path).tables == {"plain": 2, "t": 1}


@pytest.mark.parametrize("name", [b"f\xff", b"n" * 300], ids=["not UTF-8", "too long"])
def test_a_function_whose_name_cannot_be_registered_is_reported(tmp_path: Path, name: bytes) -> None:
    path = computing(tmp_path / "live.db", "1")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema=ON")
        sql = b"CREATE TABLE t(id INTEGER PRIMARY KEY, a, g AS ([" + name + b"](a)) NOT NULL)"
        connection.execute("UPDATE sqlite_master SET sql = CAST(? AS TEXT) WHERE name = 't'", [sql])
    for full in (False, True):
        assert [item.table for item in sqlite.check(path, full=full)] == ["t"]
    assert sqlite.facts(path).tables == {"plain": 2, "t": 1}


def test_a_damaged_definition_that_is_not_utf8_is_damage(tmp_path: Path) -> None:
    path = make(tmp_path / "live.db", "CREATE TABLE t(a)")
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE t(a)", b"CREATE TABLE \xff'\xfe)"))
    for look in (sqlite.check, sqlite.facts):
        with pytest.raises(DamagedComponent, match="is corrupt: malformed database schema"):
            look(path)


def test_functions_without_number_are_given_up(tmp_path: Path) -> None:
    path = computing(tmp_path / "live.db", "+".join(f"[f{number}](a)" for number in range(300)))
    ((table, reason),) = [(item.table, item.reason) for item in sqlite.check(path)]
    assert table == "t"
    assert reason.startswith("unknown function: f")


@pytest.mark.parametrize("name", ["line\nbreak", "brack(et", "no such function: x"])
def test_a_collation_of_any_name_gets_a_stub_and_is_no_error_of_permissions(tmp_path: Path, name: str) -> None:
    path = tmp_path / "live.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.create_collation(name, lambda left, right: (left > right) - (left < right))
        connection.execute(f'CREATE TABLE t(x TEXT COLLATE "{name}" UNIQUE)')
        connection.execute("INSERT INTO t VALUES ('a'), ('b')")
        connection.commit()
    assert sqlite.check(path) == sqlite.check(path, full=True) == ()
    assert sqlite.facts(path).tables == {"t": 2}
    with pytest.raises(sqlite3.Error) as refused:
        sqlite.rows(path, "SELECT x FROM t ORDER BY x")
    error = sqlite.component_error(refused.value, path, 0)
    assert (error.hint, "cannot be read" in error.message) == ("", True)


def from_the_future(path: Path, sql: str, version: int = FUTURE) -> Path:
    make(path, "CREATE TABLE s(b)", "CREATE INDEX si ON s(b)", "CREATE TABLE t(a)", "INSERT INTO t VALUES (1)")
    return last_written_by(declare(path, "s", sql), version)


@pytest.mark.parametrize("sql", ["CREATE TABLE s(b) FANCY", "CREATE TABLE s(b, FANCY NEW(", "CREATE TABLE s(b ?)"])
def test_a_definition_of_a_newer_sqlite_is_not_checked_but_copied(tmp_path: Path, sql: str) -> None:
    source, copy = from_the_future(tmp_path / "live.db", sql), tmp_path / "copy.db"
    sqlite.snapshot(source, copy, lock_timeout=1, checkpoint=lambda _: None)
    assert copy.read_bytes()[100:] == source.read_bytes()[100:]
    last_written_by(copy, FUTURE)
    assert sqlite.check(copy)[0].table == "s"
    assert sqlite.facts(copy).tables["t"] == 1
    with pytest.raises(DamagedComponent):
        sqlite.check(overwrite(copy, page_of_last_table(copy), 4096))


def page_of_last_table(path: Path) -> int:
    return path.stat().st_size // 4096


@pytest.mark.parametrize("sql", ["CREATE TABLE s(b, FANCY NEW(", "CREATE TABLE s(b ?)", "CRUDELY \x01\x02"])
def test_a_definition_that_its_own_sqlite_could_not_read_is_damage(tmp_path: Path, sql: str) -> None:
    path = from_the_future(tmp_path / "live.db", sql, version=3_008_000)
    with pytest.raises(DamagedComponent, match="is corrupt: malformed database schema"):
        sqlite.check(path)
    with pytest.raises(DamagedComponent, match="is corrupt: malformed database schema"):
        sqlite.facts(path)


def test_a_finding_beside_a_table_that_cannot_be_checked_is_still_damage(tmp_path: Path) -> None:
    path = computing(tmp_path / "live.db", "hex(zeroblob(90000000))")
    overwrite(path, page_of(path, "plain"), 4096)
    with pytest.raises(DamagedComponent, match="is corrupt"):
        sqlite.check(path)


def test_every_reason_is_named_up_to_a_number(tmp_path: Path) -> None:
    unchecked = [sqlite.Unchecked(f"t{number}", "a reason") for number in range(8)]
    assert sqlite.unchecked_notes(unchecked, "live.db") == [
        *(f"live.db: table t{number} was not checked: a reason" for number in range(5)),
        "live.db: 3 more tables not checked",
    ]
    assert sqlite.unchecked_notes([sqlite.Unchecked("", "a reason")], "live.db") == [
        "live.db was not checked: a reason"
    ]
    odd = sqlite.Unchecked("t\x1b[31m\n" + "x" * 1000, "a reason")
    (text,) = sqlite.unchecked_notes([odd], "live.db")
    assert (text.isprintable(), len(text) < 300) == (True, True)
