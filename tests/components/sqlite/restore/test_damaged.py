"""Restoring a database that is missing or damaged."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.databases.live_restores import integrity, restore_and_verify, staged_copy
from tests.support.databases.sqlite_files import leave_hot_journal, make_database
from tests.support.processes.unprivileged_user import NOBODY
from tests.support.restores.instance_restores import all_rows, change, drafts


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
