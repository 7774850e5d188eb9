"""Schemas that call JSON functions, as those of Django's JSONField: SQLite before 3.41 calls these unsafe."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from backups.components import sqlite
from backups.components.sqlite.restore import restore_into
from backups.errors import DamagedComponent

SCHEMA = """
CREATE TABLE notes (id INTEGER PRIMARY KEY, j TEXT CHECK (JSON_VALID(j) OR j IS NULL),
    kind TEXT GENERATED ALWAYS AS (JSON_EXTRACT(j, '$.kind')) STORED);
CREATE TABLE plain (id INTEGER PRIMARY KEY);
"""


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    return with_notes(tmp_path / "staged.db", 3)


def with_notes(path: Path, count: int, mode: str = "delete") -> Path:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"PRAGMA journal_mode={mode}")
        connection.executescript(SCHEMA)
        connection.executemany("INSERT INTO notes (j) VALUES (?)", [('{"kind": "x"}',)] * count)
    return path


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_live_database_with_them_is_restored(staged: Path, tmp_path: Path, mode: str) -> None:
    live = with_notes(tmp_path / "live.db", 5, mode)
    assert restore_into(staged, live, lock_timeout=1, checkpoint=lambda _: None) == []
    with closing(sqlite3.connect(live)) as connection:
        assert connection.execute("SELECT count(*), min(kind) FROM notes").fetchone() == (3, "x")


def test_its_tables_are_checked_and_counted(staged: Path) -> None:
    assert sqlite.check(staged) == sqlite.check(staged, full=True) == ()
    assert sqlite.facts(staged).tables == {"notes": 3, "plain": 0}


def test_damage_in_such_a_table_is_found(staged: Path) -> None:
    content = bytearray(staged.read_bytes())
    size = int.from_bytes(content[16:18])
    # of the root page of a table: a number of cells that it has no room for
    content[size + 3 : size + 5] = b"\xff\xff"
    staged.write_bytes(content)
    with pytest.raises(DamagedComponent):
        sqlite.check(staged)
