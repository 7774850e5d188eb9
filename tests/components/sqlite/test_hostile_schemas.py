"""Checking, counting and reading databases with endless, huge or hidden computations."""

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
    make,
    with_a_tree_without_end,
)
from tests.support.paths import PROJECT

MEGABYTE = 1 << 20
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
        "INSERT INTO files VALUES ('large', zeroblob(100000000))",
        "CREATE TABLE texts(timestamp TEXT UNIQUE)",
        "INSERT INTO texts VALUES (hex(zeroblob(5000000)))",
    )
    copy = tmp_path / "copy.db"
    sqlite.snapshot(source, copy, lock_timeout=1, checkpoint=lambda _: None)
    # but for the counters of the header
    subprocess.run(["cmp", "--ignore-initial=100", source, copy], check=True)
    assert looked_at(copy, memory=350 * MEGABYTE) == "[[], []] {'files': 1, 'texts': 1} ['files', 'texts']"


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
