"""What comes back with a database, and how it is compared with its backup."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from backups.components.sqlite.verify import file_state, is_same, verify_restored
from backups.errors import ComponentError
from tests.support.databases.live_restores import LOCK_TIMEOUT, pragma, restore_and_verify, staged_copy
from tests.support.databases.sqlite_files import dump_of, make_database
from tests.support.restores.instance_restores import change

SCHEMA = (
    "CREATE TABLE prices(sku TEXT, day TEXT, price REAL, PRIMARY KEY (sku, day)) WITHOUT ROWID",
    "INSERT INTO prices VALUES ('a', '2026-01-01', 1.5), ('b', '2026-01-02', NULL)",
    "CREATE TABLE notes(id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT COLLATE NOCASE UNIQUE)",
    "INSERT INTO notes(body) VALUES ('Grüße'), (X'00FF'), (NULL), (12345678901234567)",
    "CREATE INDEX notes_length ON notes(length(body)) WHERE body IS NOT NULL",
    "CREATE VIEW cheap AS SELECT * FROM prices WHERE price < 2",
    "CREATE TRIGGER noted AFTER DELETE ON notes BEGIN INSERT OR IGNORE INTO notes(body) VALUES ('deleted'); END",
    "CREATE VIRTUAL TABLE words USING fts5(text)",
    "INSERT INTO words VALUES ('quick brown fox')",
    'CREATE TABLE "odd ""name"" [x]"(a, b GENERATED ALWAYS AS (a * 2) STORED)',
    'INSERT INTO "odd ""name"" [x]"(a) VALUES (21)',
)


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
def test_every_kind_of_table_comes_back(tmp_path: Path, journal: str) -> None:
    (tmp_path / "service").mkdir()
    live = make_database(tmp_path / "service" / "orders.db", rows=9, journal=journal)
    change(live, *SCHEMA)
    staged = staged_copy(live)
    with closing(sqlite3.connect(live)) as connection:
        expected = dump_of(connection)
    change(live, "DELETE FROM prices", "DELETE FROM notes", "DROP TABLE words", "DROP VIEW cheap")
    restore_and_verify(staged, live)
    with closing(sqlite3.connect(live)) as connection:
        assert dump_of(connection) == expected
        assert connection.execute("SELECT text FROM words WHERE words MATCH 'brown'").fetchall() == [
            ("quick brown fox",)
        ]


def test_the_version_that_an_application_keeps_in_the_header_comes_back(live: Path) -> None:
    change(live, "PRAGMA user_version=7", "PRAGMA application_id=42")
    staged = staged_copy(live)
    change(live, "PRAGMA user_version=9", "PRAGMA application_id=0")
    restore_and_verify(staged, live)
    assert (pragma(live, "user_version"), pragma(live, "application_id")) == (7, 42)


def test_an_empty_database_comes_back_empty(live: Path, open_connections: sqlite3.Connection) -> None:
    empty = live.parent.parent / "orders.db"
    empty.touch()
    staged = staged_copy(empty)
    restore_and_verify(staged, live)
    assert open_connections.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    assert is_same(staged, live, lock_timeout=LOCK_TIMEOUT)


def test_a_database_with_other_rows_is_not_taken_for_restored(live: Path) -> None:
    with pytest.raises(ComponentError, match=r"does not hold the rows of the backup after the restore\.$"):
        verify_restored(live, {"orders": 31}, file_state(live), lock_timeout=LOCK_TIMEOUT)


def test_other_rows_are_a_note_when_the_service_writes(live: Path) -> None:
    program = (
        "import sqlite3, sys, time\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=5)\n"
        "print('writing', flush=True)\n"
        "while True: c.execute('INSERT INTO orders(amount) VALUES (1)'); time.sleep(0.01)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(live)], stdout=subprocess.PIPE, text=True) as writer:
        try:
            assert writer.stdout is not None and writer.stdout.readline() == "writing\n"
            notes = verify_restored(live, {"orders": 5}, None, lock_timeout=5)
        finally:
            writer.kill()
    assert notes == ["orders.db was written to by its service right after the restore"]


def test_the_same_content_is_recognized_page_for_page_and_a_changed_byte_too(live: Path) -> None:
    staged = staged_copy(live)
    change(live, "UPDATE orders SET amount = amount")
    assert is_same(staged, live, lock_timeout=LOCK_TIMEOUT)
    change(live, "UPDATE orders SET amount = amount + 1 WHERE id = 30")
    assert not is_same(staged, live, lock_timeout=LOCK_TIMEOUT)
