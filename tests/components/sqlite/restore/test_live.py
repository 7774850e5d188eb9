"""Restoring into a live SQLite file that is open, of any format."""

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from backups.components.sqlite.restore import restore_into
from backups.errors import ComponentError, Untouched
from tests.support.databases.live_restores import LOCK_TIMEOUT, integrity, pragma, restore_and_verify, staged_copy
from tests.support.databases.sqlite_files import exclusively_locked, make_database, rows_of
from tests.support.restores.instance_restores import sha256


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
