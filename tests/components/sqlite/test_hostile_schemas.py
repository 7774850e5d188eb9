"""Checking, counting and reading databases with endless, huge or unparsable schemas ends and reports the reason."""

import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.components import sqlite
from backups.errors import Cancelled, ComponentError, DamagedComponent, NotCheckable
from tests.support.databases.hostile_schemas import (
    ENDLESS_VIEW,
    GIGABYTE,
    SEARCH,
    computing,
    declare,
    last_written_by,
    make,
    overwrite,
    page_of,
    with_a_tree_without_end,
)
from tests.support.paths import PROJECT

MEGABYTE = 1 << 20
FUTURE = 3_990_000
LIMITED = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
from django.conf import settings
settings.BACKUP_CHECK_TIMEOUT = 1
from backups.components import sqlite
path = Path(sys.argv[1])
checks = [sqlite.check(path), sqlite.check(path, full=True)]
facts = sqlite.facts(path)
sqlite.dangling_references(path)
live = sqlite.live_tables(path, {}, lock_timeout=1, seconds=3)
print([[item.table for item in found] for found in checks], facts.tables, sorted(live))
"""


@pytest.fixture
def hurried(settings: Settings) -> None:
    settings.BACKUP_CHECK_TIMEOUT = 0.5


def looked_at(path: Path, *, memory: int = 600 * MEGABYTE) -> str:
    """Check, count and read `path` in a process that has so much memory and 30 s of CPU."""
    ended = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path), str(memory)],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.strip()


def with_limits() -> None:
    if not hasattr(sqlite3.Connection, "setlimit"):
        pytest.skip("this SQLite module has no limits to set")


@pytest.mark.parametrize(
    "expression",
    [
        GIGABYTE,
        "hex(hex(hex(hex(hex(hex(zeroblob(100000)))))))",
        "printf('%900000000d', a)",
        f"replace({GIGABYTE}, 'x', 'y')",
    ],
)
def test_a_column_that_computes_a_gigabyte_takes_no_memory(tmp_path: Path, expression: str) -> None:
    with_limits()
    found = looked_at(computing(tmp_path / "live.db", expression))
    assert found == "[['t'], ['t']] {'plain': 2, 't': 1} ['plain', 't']"


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


def test_a_computation_that_cannot_be_interrupted_is_left_behind(tmp_path: Path, hurried: None) -> None:
    path = computing(tmp_path / "live.db", SEARCH)
    began = time.monotonic()
    (whole,) = sqlite.check(path)
    assert time.monotonic() - began < 30
    assert (whole.table, "takes longer than" in whole.reason) == ("", True)
    assert sqlite.facts(path).tables == {"plain": 2, "t": 1}


def test_a_check_ends_with_the_run_that_it_is_for(tmp_path: Path, settings: Settings) -> None:
    settings.BACKUP_CHECK_TIMEOUT = 600
    path = computing(tmp_path / "live.db", SEARCH)
    cancelled = threading.Event()

    def checkpoint(_: int) -> None:
        if cancelled.is_set():
            raise Cancelled("cancelled by tests")

    threading.Timer(0.5, cancelled.set).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        sqlite.check(path, checkpoint=checkpoint)
    assert time.monotonic() - began < 30


def test_a_tree_without_end_is_not_counted_for_ever(tmp_path: Path, hurried: None) -> None:
    path = with_a_tree_without_end(tmp_path / "live.db")
    facts = sqlite.facts(path)
    assert (facts.tables, [item.table for item in facts.uncounted], facts.records) == ({"plain": 0}, ["t"], None)
    with pytest.raises(NotCheckable, match="takes longer than"):
        sqlite.live_tables(path, {}, lock_timeout=1, seconds=0.5)
    with pytest.raises(DamagedComponent, match="is corrupt"):
        sqlite.check(path)


def test_a_view_without_end_in_place_of_a_table_is_not_read_for_ever(tmp_path: Path, hurried: None) -> None:
    path = make(tmp_path / "live.db", f"CREATE VIEW system_metadata AS {ENDLESS_VIEW}")
    with pytest.raises(NotCheckable, match=r"^live\.db cannot be read: it "):
        sqlite.rows(path, "SELECT value FROM system_metadata WHERE value < 0")
    with pytest.raises(NotCheckable, match=r"^live\.db cannot be read: it "):
        sqlite.rows(path, "SELECT value, printf('%.*c', 100000, 'x') FROM system_metadata")


def test_a_time_that_is_computed_without_end_is_not_waited_for(tmp_path: Path) -> None:
    path = computing(tmp_path / "live.db", GIGABYTE)
    declare(path, "t", f"CREATE TABLE t(id INTEGER PRIMARY KEY, a, timestamp AS ({GIGABYTE}) NOT NULL)")
    with_limits()
    assert (sqlite.facts(path).tables["t"], sqlite.facts(path).newest) == (1, {})
    live = sqlite.live_tables(path, {"t": "2026-01-01"}, lock_timeout=1, seconds=10)
    assert live["t"] == sqlite.LiveTable(1)


def test_a_large_value_is_copied_checked_and_counted_in_little_memory(tmp_path: Path) -> None:
    source = make(
        tmp_path / "live.db",
        "CREATE TABLE files(name TEXT NOT NULL, content BLOB NOT NULL, size AS (length(content)) NOT NULL)",
        "INSERT INTO files VALUES ('large', zeroblob(200000000))",
        "CREATE TABLE texts(timestamp TEXT UNIQUE)",
        "INSERT INTO texts VALUES (hex(zeroblob(5000000)))",
    )
    copy = tmp_path / "copy.db"
    sqlite.snapshot(source, copy, lock_timeout=1, checkpoint=lambda _: None)
    # but for the counters of the header
    subprocess.run(["cmp", "--ignore-initial=100", source, copy], check=True)
    assert looked_at(copy, memory=550 * MEGABYTE) == "[[], []] {'files': 1, 'texts': 1} ['files', 'texts']"


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


def test_one_function_opens_every_database() -> None:
    paths = [path for package in ("backups", "destinations") for path in (PROJECT / package).rglob("*.py")]
    found = [path.relative_to(PROJECT) for path in paths if "sqlite3.connect(" in path.read_text()]
    assert found == [Path("backups/components/sqlite/connection.py")]


@pytest.mark.parametrize("mode", ["ro", "rw"])
def test_every_connection_is_restrained(tmp_path: Path, mode: str) -> None:
    path = make(tmp_path / "live.db", "CREATE TABLE t(x)")
    with closing(sqlite.opened(path, mode=mode)) as connection:
        flags = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("trusted_schema", "cell_size_check")]
        assert flags == [0, 1]
        with_limits()
        assert connection.getlimit(sqlite3.SQLITE_LIMIT_LENGTH) < 10_000_000
        assert connection.getlimit(sqlite3.SQLITE_LIMIT_ATTACHED) == 0
        with pytest.raises(sqlite3.OperationalError):
            connection.execute("ATTACH ':memory:' AS other")
        if mode == "ro":
            with pytest.raises(sqlite3.OperationalError):
                connection.execute("INSERT INTO t VALUES (1)")


def test_an_endless_statement_on_any_connection_ends(tmp_path: Path, settings: Settings) -> None:
    settings.BACKUP_CHECK_TIMEOUT = 0.3
    path = make(tmp_path / "live.db", f"CREATE VIEW v AS {ENDLESS_VIEW}")
    with sqlite.connected(path) as connection, pytest.raises(sqlite3.OperationalError) as ended:
        connection.execute("SELECT count(*) FROM v").fetchall()
    error = sqlite.component_error(ended.value, path, 0)
    assert isinstance(error, NotCheckable)
    assert isinstance(error, ComponentError)
