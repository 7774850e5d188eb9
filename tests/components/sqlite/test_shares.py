"""A full check in shares finds all that ``integrity_check`` of the whole file finds."""

import os
import random
import sqlite3
import threading
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from backups.components import sqlite
from backups.components.sqlite import shares
from backups.components.sqlite.untrusted.deadline import run_side_by_side
from backups.errors import Cancelled, DamagedComponent, NotCheckable
from tests.support.databases.hostile_schemas import ENDLESS_VIEW, declare, make, page_of

SCHEMA = (
    "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b TEXT, n INTEGER, twice AS (n * 2), tag TEXT UNIQUE)",
    "CREATE INDEX t_a ON t(a)",
    "CREATE INDEX t_b ON t(b DESC)",
    "CREATE INDEX t_part ON t(n) WHERE n > 20",
    "CREATE INDEX t_expr ON t(abs(n))",
    "CREATE INDEX t_twice ON t(twice)",
    "CREATE UNIQUE INDEX t_unique ON t(a, n)",
    "CREATE TABLE w(name TEXT PRIMARY KEY, x, y) WITHOUT ROWID",
    "CREATE INDEX w_x ON w(x)",
    "CREATE INDEX w_y ON w(y)",
    "CREATE TABLE alone(x)",
    "CREATE INDEX alone_x ON alone(x)",
    "CREATE TABLE plain(x)",
    "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 300)"
    " INSERT INTO t(a, b, n, tag) SELECT char(65 + i % 50), printf('%05d', i * 7919 % 300), i, printf('%d', i) FROM c",
    "INSERT INTO t(a, b, n, tag) VALUES (NULL, NULL, NULL, NULL), ('x', 'Y', -5, 'Z'), ('X', 'y', -6, 'z')",
    "INSERT INTO w SELECT tag, a, b FROM t WHERE tag IS NOT NULL",
    "INSERT INTO alone SELECT a FROM t",
    "INSERT INTO plain SELECT b FROM t",
    "CREATE TABLE gone AS SELECT * FROM t",
    "DROP TABLE gone",
)
EXPLICIT = ("t_a", "t_b", "t_part", "t_expr", "t_twice", "t_unique", "w_x", "w_y", "alone_x")
SECOND_ROW = {"t": "id = 250", "w": "name = '250'", "alone": "rowid = 250"}
OTHER_VALUES = {"t": "a = 'other', b = 'other', n = 9999", "w": "x = 'other', y = 'other'", "alone": "x = 'other'"}
ROOTPAGE = "UPDATE sqlite_master SET rootpage = {} WHERE name = '{}'"
T = SCHEMA[0]


@pytest.fixture(scope="module")
def sound_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make(
        tmp_path_factory.mktemp("shares") / "sound.db", "PRAGMA synchronous=OFF", "PRAGMA page_size=1024", *SCHEMA
    ).read_bytes()


@pytest.fixture
def sound(tmp_path: Path, sound_bytes: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(shares, "SHARED_FROM_BYTES", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    path = tmp_path / "live.db"
    path.write_bytes(sound_bytes)
    return path


def whole(path: Path) -> str:
    """Return the first finding of SQLite about the whole file."""
    with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as connection:
        try:
            return str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
        except sqlite3.DatabaseError as error:
            return str(error)


def without_index(path: Path, index: str, statement: str) -> None:
    """Run `statement` while the schema lacks `index`, which so keeps its entries."""
    with closing(sqlite3.connect(path)) as connection:
        entry = connection.execute("SELECT * FROM sqlite_master WHERE name = ?", [index]).fetchone()
    at_once, writable = "PRAGMA synchronous=OFF", "PRAGMA writable_schema=ON"
    make(path, at_once, writable, f"DELETE FROM sqlite_master WHERE name = '{index}'")
    make(path, at_once, statement)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(at_once)
        connection.execute(writable)
        connection.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", entry)
        connection.commit()


def assert_found(path: Path) -> None:
    assert whole(path) != "ok"
    assert not shares.is_sound_in_shares(path)
    with pytest.raises(DamagedComponent, match=r"^live\.db is corrupt: "):
        sqlite.check(path, full=True)


def test_a_sound_database_passes_in_shares_and_is_not_written(sound: Path) -> None:
    before, info = sound.read_bytes(), sound.stat()
    assert whole(sound) == "ok"
    assert shares.is_sound_in_shares(sound)
    assert (sound.read_bytes(), sound.stat().st_mtime_ns) == (before, info.st_mtime_ns)
    assert list(sound.parent.iterdir()) == [sound]


@pytest.mark.parametrize("index", EXPLICIT)
@pytest.mark.parametrize("damage", ["missing", "extra", "other key"])
def test_each_index_is_compared_with_the_rows(sound: Path, index: str, damage: str) -> None:
    table = index.partition("_")[0]
    statement = {
        "missing": f"INSERT INTO {table} DEFAULT VALUES"
        if table != "w"
        else "INSERT INTO w VALUES ('new', 'new', 'new')",
        "extra": f"DELETE FROM {table} WHERE {SECOND_ROW[table]}",
        "other key": f"UPDATE {table} SET {OTHER_VALUES[table]} WHERE {SECOND_ROW[table]}",
    }[damage]
    if (damage, index) == ("missing", "t_part"):
        statement = "INSERT INTO t(n) VALUES (1000)"
    without_index(sound, index, statement)
    if (damage, index) == ("extra", "t_part") and whole(sound) == "ok":
        pytest.skip("this SQLite does not count the entries of partial indexes")
    assert_found(sound)


@pytest.mark.parametrize(
    ("name", "definition"),
    [
        ("t_a", "CREATE INDEX t_a ON t(a DESC)"),
        ("t_b", "CREATE INDEX t_b ON t(b)"),
        ("t_a", "CREATE UNIQUE INDEX t_a ON t(a)"),
        ("w_x", "CREATE UNIQUE INDEX w_x ON w(x)"),
        ("alone_x", "CREATE UNIQUE INDEX alone_x ON alone(x)"),
        ("t_unique", "CREATE UNIQUE INDEX t_unique ON t(n, a)"),
        ("t_part", "CREATE INDEX t_part ON t(n) WHERE n > 10"),
        ("t_expr", "CREATE INDEX t_expr ON t(-n)"),
        ("t", T.replace("n * 2", "n * 3")),
        ("alone", "CREATE TABLE alone(x NOT NULL)"),
        ("t", T.replace("UNIQUE", "UNIQUE COLLATE NOCASE")),
        ("w", "CREATE TABLE w(name TEXT COLLATE NOCASE PRIMARY KEY, x, y) WITHOUT ROWID"),
        ("w", "CREATE TABLE w(name TEXT PRIMARY KEY DESC, x, y) WITHOUT ROWID"),
    ],
)
def test_order_uniqueness_and_values_are_those_of_the_definition(sound: Path, name: str, definition: str) -> None:
    assert_found(declare(sound, name, definition))


def test_pages_are_used_exactly_once(sound: Path, sound_bytes: bytes) -> None:
    make(sound, "PRAGMA writable_schema=ON", ROOTPAGE.format(page_of(sound, "t_a"), "t_b"))
    assert_found(sound)
    sound.write_bytes(sound_bytes)
    make(sound, "PRAGMA writable_schema=ON", "DELETE FROM sqlite_master WHERE name = 'w_x'")
    assert_found(sound)
    # number of free pages
    data = bytearray(sound_bytes)
    data[39] += 1
    sound.write_bytes(data)
    assert_found(sound)


def test_an_index_that_no_share_had_is_not_taken_for_checked(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_out = shares._leave_out
    monkeypatch.setattr(shares, "_leave_out", lambda connection, names: leave_out(connection, [*names, "t_a"]))
    assert not shares.is_sound_in_shares(sound)
    assert sqlite.check(sound, full=True) == ()


def test_bytes_changed_anywhere_are_found_as_in_the_whole(sound: Path, sound_bytes: bytes) -> None:
    chance, found = random.Random(7), 0
    for _ in range(60):
        data = bytearray(sound_bytes)
        place = chance.randrange(100, len(data))
        data[place] ^= 1 << chance.randrange(8)
        sound.write_bytes(data)
        expected = whole(sound)
        assert shares.is_sound_in_shares(sound) == (expected == "ok"), (place, expected)
        found += expected != "ok"
    assert found > 15


@pytest.mark.parametrize("suffix", ["-journal", "-wal"])
def test_a_journal_beside_the_copy_is_never_written_back_into_it(sound: Path, suffix: str) -> None:
    beside = sound.with_name(sound.name + suffix)
    beside.write_bytes(b"from an archive")
    assert not shares.is_sound_in_shares(sound)
    assert beside.read_bytes() == b"from an archive"


def test_what_cannot_be_shared_is_checked_as_a_whole(sound: Path) -> None:
    make(sound, 'CREATE TABLE "2026"(x)')
    assert not shares.is_sound_in_shares(sound)
    assert sqlite.check(sound, full=True) == ()


def test_an_error_a_cancel_and_the_deadline_end_every_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    path = make(tmp_path / "live.db", f"CREATE VIEW v AS {ENDLESS_VIEW}")
    opening = partial(sqlite.connected, path, immutable=True)

    def endless(connection: sqlite3.Connection) -> None:
        connection.execute("SELECT count(*) FROM v").fetchall()

    def failing(_: sqlite3.Connection) -> None:
        raise ValueError("found something")

    def cancel(_: int) -> None:
        raise Cancelled("cancelled by tests")

    with pytest.raises(ValueError, match="found something"):
        run_side_by_side([(opening, endless), (opening, failing), (opening, endless)], seconds=600)
    with pytest.raises(Cancelled):
        run_side_by_side([(opening, endless)] * 2, seconds=600, checkpoint=cancel)
    with pytest.raises(NotCheckable, match="takes longer than 0"):
        run_side_by_side([(opening, endless)] * 2, seconds=0.1)
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()


def test_a_share_whose_thread_cannot_be_started_leaves_the_check_to_one_thread(
    sound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, begun = threading.Thread.start, list[threading.Thread]()

    def start(thread: threading.Thread) -> None:
        begun.append(thread)
        # the second of the three shares, after the thread of the plan
        if len(begun) == 3:
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    began = time.monotonic()
    assert sqlite.check(sound, full=True) == ()
    assert len(begun) == 5
    assert time.monotonic() - began < 1
