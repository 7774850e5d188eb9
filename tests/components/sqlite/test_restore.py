"""Restoring into a live SQLite file: whatever its format and state, with open connections."""

import os
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from backups.components import sqlite
from backups.components.sqlite.restore import restore_into
from backups.components.sqlite.verify import file_state, is_same, verify_restored
from backups.errors import BackupError, ComponentError, Untouched
from tests.support.databases.sqlite_files import dump_of, exclusively_locked, leave_hot_journal, make_database, rows_of
from tests.support.processes.unprivileged_user import NOBODY, open_way, run_as_nobody
from tests.support.restores.instance_restores import all_rows, change, drafts, sha256, tree

LOCK_TIMEOUT = 0.5


@pytest.fixture
def live(tmp_path: Path) -> Path:
    folder = tmp_path / "service"
    folder.mkdir()
    return make_database(folder / "orders.db", rows=30)


def staged_copy(database: Path) -> Path:
    """Return a copy as a backup holds it: made by the backup API, in another folder."""
    folder = database.parent.parent / f"staged-{os.urandom(4).hex()}"
    folder.mkdir()
    copy = folder / database.name
    sqlite.snapshot(database, copy, lock_timeout=LOCK_TIMEOUT, checkpoint=lambda _: None)
    return copy


def restore_and_verify(staged: Path, live: Path) -> list[str]:
    """Restore and verify; return the notes."""
    tables = sqlite.facts(staged).tables
    restore_into(staged, live, lock_timeout=LOCK_TIMEOUT, checkpoint=lambda _: None)
    return verify_restored(live, tables, file_state(live), lock_timeout=LOCK_TIMEOUT)


def pragma(database: Path, name: str) -> object:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]


def integrity(database: Path) -> str:
    with closing(sqlite3.connect(database)) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


@pytest.fixture
def open_connections(live: Path) -> Iterator[sqlite3.Connection]:
    """Two connections that were opened, and used, before the restore; the second one keeps a cache."""
    with closing(sqlite3.connect(live, isolation_level=None, timeout=2)) as first:
        first.execute("SELECT * FROM orders").fetchall()
        yield first


@pytest.mark.parametrize("live_page", [512, 1024, 4096, 65536])
@pytest.mark.parametrize("backup_page", [512, 4096, 65536])
@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
def test_pages_of_any_size_go_into_a_live_database_that_is_open(
    tmp_path: Path, journal: str, backup_page: int, live_page: int
) -> None:
    folder = tmp_path / "service"
    folder.mkdir()
    source = make_database(folder / "source.db", rows=40, blob_bytes=700, page=backup_page)
    live = make_database(folder / "orders.db", rows=200, journal=journal, page=live_page)
    with closing(sqlite3.connect(live, isolation_level=None, timeout=2)) as service:
        assert service.execute("SELECT count(*) FROM orders").fetchone() == (200,)
        assert restore_and_verify(staged_copy(source), live) == []
        assert service.execute("SELECT * FROM orders ORDER BY id").fetchall() == rows_of(source)
        service.execute("INSERT INTO orders(item, amount) VALUES ('later', 1)")
        assert service.execute("PRAGMA journal_mode").fetchone() == (journal.lower(),)
    assert rows_of(live, "SELECT item FROM orders WHERE amount = 1 AND id > 40") == [("later",)]
    assert (len(rows_of(live)), integrity(live), pragma(live, "journal_mode")) == (41, "ok", journal.lower())
    assert pragma(live, "page_size") == (live_page if journal == "WAL" else backup_page)


def test_a_copy_whose_header_says_wal_does_not_switch_a_live_database_with_open_connections(
    live: Path, open_connections: sqlite3.Connection
) -> None:
    source = make_database(live.parent.parent / "orders.db", rows=7, journal="WAL")
    assert source.read_bytes()[18:20] == b"\2\2"
    restore_and_verify(source, live)
    assert live.read_bytes()[18:20] == b"\1\1"
    assert pragma(live, "journal_mode") == "delete"
    open_connections.execute("INSERT INTO orders(item) VALUES ('later')")
    assert len(rows_of(live)) == 8


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
def test_a_lock_held_too_long_is_a_clear_error_after_the_deadline_with_nothing_changed(
    live: Path, journal: str
) -> None:
    with closing(sqlite3.connect(live)) as connection:
        connection.execute(f"PRAGMA journal_mode={journal}")
    before = sha256(live)
    staged = staged_copy(make_database(live.parent.parent / "orders.db", rows=3))
    with exclusively_locked(live) as service:
        service.execute("UPDATE orders SET amount = -1")
        began = time.monotonic()
        with pytest.raises(ComponentError) as refused:
            restore_and_verify(staged, live)
        assert LOCK_TIMEOUT <= time.monotonic() - began < LOCK_TIMEOUT + 1.5
        service.execute("ROLLBACK")
    assert refused.value.message == f"{live} stayed locked by another process for 0.5 s."
    assert refused.value.untouched
    assert "BACKUP_LOCK_TIMEOUT" in refused.value.hint
    assert sha256(live) == before


def test_a_short_lock_is_waited_for(live: Path) -> None:
    program = (
        "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('BEGIN EXCLUSIVE'); print('locked', flush=True); time.sleep(0.3); c.execute('COMMIT')"
    )
    staged = staged_copy(make_database(live.parent.parent / "orders.db", rows=3))
    with subprocess.Popen([sys.executable, "-c", program, str(live)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "locked\n"
        restore_into(staged, live, lock_timeout=10, checkpoint=lambda _: None)
    assert len(rows_of(live)) == 3


def test_a_missing_database_of_which_nothing_is_recorded_is_private_and_has_the_owner_of_its_neighbours(
    live: Path,
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    staged = staged_copy(live)
    missing = live.with_name("zz.db")
    live.chmod(0o640)
    os.chown(live, NOBODY, NOBODY)
    restore_and_verify(staged, missing)
    info = missing.stat()
    assert (stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid) == (0o600, NOBODY, NOBODY)
    assert all_rows(missing) == all_rows(live)


def test_a_missing_folder_of_which_nothing_is_recorded_is_private_and_has_the_owner_of_the_one_above(
    live: Path,
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    live.parent.chmod(0o2750)
    os.chown(live.parent, NOBODY, NOBODY)
    missing = live.parent / "a" / "b" / "orders.db"
    restore_and_verify(staged_copy(live), missing)
    for folder in (missing.parent, missing.parent.parent):
        info = folder.stat()
        assert (stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid) == (0o700, NOBODY, NOBODY)
    info = missing.stat()
    assert (stat.S_IMODE(info.st_mode), info.st_uid) == (0o600, NOBODY)


@pytest.mark.parametrize("broken", [None, b"", b"no database at all", b"SQLite format 3\0" + b"\xff" * 8000])
def test_logs_beside_a_missing_or_broken_database_are_never_replayed(live: Path, broken: bytes | None) -> None:
    staged = staged_copy(live)
    expected = all_rows(live)
    with closing(sqlite3.connect(live, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("UPDATE orders SET amount = 666")
        log = live.with_name("orders.db-wal").read_bytes()
    live.unlink()
    if broken is not None:
        live.write_bytes(broken)
    live.with_name("orders.db-wal").write_bytes(log)
    live.with_name("orders.db-shm").write_bytes(bytes(32768))
    live.with_name("orders.db-journal").write_bytes(os.urandom(600))
    restore_and_verify(staged, live)
    assert all_rows(live) == expected
    assert integrity(live) == "ok"
    assert drafts(live.parent) == []


def damaged(content: bytes, number: int) -> bytes:
    """Return `content` with one area overwritten: the header for small numbers, then pages further in."""
    spoilt = bytearray(content)
    start = number * 4 if number < 25 else number * 100
    spoilt[start : start + 4] = b"\xff\xfe\xfd\xfc"
    return bytes(spoilt)


@pytest.mark.parametrize("number", range(45))
def test_a_live_database_damaged_anywhere_is_restored(live: Path, number: int) -> None:
    staged = staged_copy(live)
    expected = all_rows(live)
    live.write_bytes(damaged(live.read_bytes(), number))
    restore_and_verify(staged, live)
    assert all_rows(live) == expected
    assert integrity(live) == "ok"
    assert drafts(live.parent) == []


def test_a_live_database_with_the_journal_of_a_dead_process_is_restored(live: Path) -> None:
    staged = staged_copy(make_database(live.parent.parent / "orders.db", rows=5))
    change(live, "DELETE FROM orders")
    with closing(sqlite3.connect(live)) as connection:
        connection.executemany("INSERT INTO orders(item) VALUES (?)", ([os.urandom(900)] for _ in range(300)))
        connection.commit()
    leave_hot_journal(live)
    restore_and_verify(staged, live)
    assert all_rows(live) == all_rows(staged)
    assert integrity(live) == "ok"
    assert not live.with_name("orders.db-journal").exists()


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
@pytest.mark.parametrize(("now", "then"), [(5, 4000), (4000, 5)])
def test_databases_grow_and_shrink(tmp_path: Path, now: int, then: int, journal: str) -> None:
    (tmp_path / "service").mkdir()
    live = make_database(tmp_path / "service" / "orders.db", rows=now, blob_bytes=1000, journal=journal)
    source = make_database(tmp_path / "orders.db", rows=then, blob_bytes=1000)
    restore_and_verify(staged_copy(source), live)
    assert rows_of(live) == rows_of(source)
    if journal == "DELETE":
        assert live.stat().st_size == source.stat().st_size
    log = live.with_name("orders.db-wal")
    assert not log.exists() or log.stat().st_size == 0


@pytest.mark.parametrize(("ours", "theirs"), [("FULL", "NONE"), ("NONE", "FULL"), ("INCREMENTAL", "FULL")])
def test_another_way_of_vacuuming_does_not_harm_connections_that_are_open(
    tmp_path: Path, ours: str, theirs: str
) -> None:
    (tmp_path / "service").mkdir()
    paths = [tmp_path / "service" / "orders.db", tmp_path / "orders.db"]
    for path, mode in zip(paths, (ours, theirs), strict=True):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA auto_vacuum={mode}")
            connection.execute("VACUUM")
        make_database(path, rows=300, blob_bytes=900)
    live, source = paths
    with closing(sqlite3.connect(live, isolation_level=None)) as service:
        service.execute("SELECT count(*) FROM orders").fetchone()
        restore_and_verify(staged_copy(source), live)
        service.execute("DELETE FROM orders WHERE id % 3")
        service.execute("INSERT INTO orders(item) SELECT randomblob(5000) FROM orders")
    assert integrity(live) == "ok"
    assert len(rows_of(live)) == 200


def test_another_text_encoding_is_refused_before_open_connections_break(
    live: Path, open_connections: sqlite3.Connection
) -> None:
    source = live.parent.parent / "orders.db"
    with closing(sqlite3.connect(source)) as connection:
        connection.execute("PRAGMA encoding='UTF-16le'")
        connection.execute("CREATE TABLE orders(id INTEGER PRIMARY KEY, item BLOB, amount INTEGER)")
        connection.execute("INSERT INTO orders(item) VALUES ('Äpfel'), ('Birnen')")
        connection.commit()
    before = sha256(live)
    staged = staged_copy(source)
    with pytest.raises(Untouched, match=r"orders\.db is UTF-8, the backup is UTF-16le\.$") as refused:
        restore_and_verify(staged, live)
    assert refused.value.hint == "Stop the service and move the file away, then restore again."
    assert sha256(live) == before
    live.rename(live.with_name("aside"))
    restore_and_verify(staged, live)
    assert (pragma(live, "encoding"), len(rows_of(live))) == ("UTF-16le", 2)


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


WITHOUT_RIGHTS = """
import os, sys
from pathlib import Path
from backups.components.sqlite.restore import restore_into
from backups.errors import Untouched
os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
try:
    restore_into(Path(sys.argv[1]), Path(sys.argv[2]), lock_timeout=1, checkpoint=lambda _: None)
except Untouched as error:
    print(error.message, "|", error.hint)
"""


def as_nobody(staged: Path, live: Path) -> str:
    open_way(live.parent)
    os.chown(staged.parent, NOBODY, NOBODY)
    os.chown(staged, NOBODY, NOBODY)
    return run_as_nobody(WITHOUT_RIGHTS, str(staged), str(live))


def test_a_live_database_that_this_user_may_not_write_is_named(live: Path) -> None:
    live.chmod(0o644)
    before = tree(live.parent)
    message = as_nobody(staged_copy(live), live)
    assert message == (
        f"{live} cannot be written: attempt to write a readonly database."
        " | Check that this user may write the file and its folder."
    )
    assert tree(live.parent) == before


def test_a_folder_that_this_user_may_not_write_is_named(live: Path) -> None:
    staged = staged_copy(live)
    live.unlink()
    message = as_nobody(staged, live)
    assert message.startswith(f"{live} cannot be written: Permission denied. | Check that this user may write there")


def test_a_folder_in_the_place_of_the_database_is_refused(live: Path) -> None:
    staged = staged_copy(live)
    live.unlink()
    live.mkdir()
    with pytest.raises(Untouched, match=r"orders\.db cannot be written: unable to open database file\.$"):
        restore_and_verify(staged, live)


def test_a_cancelled_copy_leaves_the_live_database_unchanged(live: Path) -> None:
    source = make_database(live.parent.parent / "orders.db", rows=40, blob_bytes=1 << 20)
    staged = staged_copy(source)
    before = all_rows(live)
    told = []

    def stop(copied: int) -> None:
        told.append(copied)
        if sum(told) > 20 << 20:
            raise BackupError("enough")

    with pytest.raises(BackupError, match=r"^enough$") as stopped:
        restore_into(staged, live, lock_timeout=LOCK_TIMEOUT, checkpoint=stop)
    assert stopped.value.untouched
    assert all_rows(live) == before


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
