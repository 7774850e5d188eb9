"""The write-ahead log of the live database, which is extended ahead of the pages that SQLite writes into it."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from backups.components.sqlite.restore import restore_into
from backups.components.sqlite.snapshot import PAGES_AHEAD, PAGES_PER_STEP
from backups.errors import BackupError
from backups.lib.filesystem import page_cache
from tests.support.databases.live_restores import LOCK_TIMEOUT, integrity, restore_and_verify, staged_copy
from tests.support.databases.sqlite_files import make_database, rows_of
from tests.support.restores.instance_restores import all_rows

FRAME = 24 + 4096
KILLED_AT_SECOND_STEP = """
import os, signal, sys
from pathlib import Path
from backups.components.sqlite.restore import restore_into
steps = []
def checkpoint(copied):
    steps.append(copied)
    if len(steps) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
restore_into(Path(sys.argv[1]), Path(sys.argv[2]), lock_timeout=1, checkpoint=checkpoint)
"""


@pytest.fixture
def wal_live(tmp_path: Path) -> Path:
    (tmp_path / "service").mkdir()
    return make_database(tmp_path / "service" / "orders.db", rows=30, journal="WAL")


@pytest.fixture
def staged(wal_live: Path) -> Path:
    """A copy of more than ten steps."""
    source = make_database(wal_live.parent.parent / "orders.db", rows=11 * 4, blob_bytes=1 << 20)
    assert source.stat().st_size > 10 * PAGES_PER_STEP * 4096
    return staged_copy(source)


@pytest.fixture
def service(wal_live: Path) -> Iterator[sqlite3.Connection]:
    """A connection of the service, with rows that are in the log alone."""
    with closing(sqlite3.connect(wal_live, isolation_level=None, timeout=2)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("INSERT INTO orders(item, amount) VALUES ('in the log', 7)")
        yield connection


def test_the_log_is_extended_ahead_of_the_pages_and_no_further_than_they_need(wal_live: Path, staged: Path) -> None:
    log, sizes = wal_live.with_name("orders.db-wal"), list[tuple[int, int]]()
    copied = 0

    def checkpoint(size: int) -> None:
        nonlocal copied
        copied += size
        sizes.append((copied // 4096, log.stat().st_size))

    restore_into(staged, wal_live, lock_timeout=LOCK_TIMEOUT, checkpoint=checkpoint)
    total = staged.stat().st_size // 4096
    # each step sees what the one before extended
    for (before, _), (_, size) in pairwise(sizes):
        assert size == 32 + min(before + PAGES_AHEAD, total) * FRAME
    assert len(sizes) > 8
    assert not log.exists()


def test_a_service_that_has_it_open_reads_the_new_rows_and_writes_on(
    wal_live: Path, staged: Path, service: sqlite3.Connection
) -> None:
    assert restore_and_verify(staged, wal_live) == []
    assert service.execute("SELECT * FROM orders ORDER BY id").fetchall() == rows_of(staged)
    assert wal_live.with_name("orders.db-wal").stat().st_size == 0
    service.execute("INSERT INTO orders(item, amount) VALUES ('later', 1)")
    assert service.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert rows_of(wal_live, "SELECT item FROM orders WHERE amount = 1 AND item = 'later'") == [("later",)]


def test_a_cancelled_copy_leaves_rows_that_were_in_the_log(
    wal_live: Path, staged: Path, service: sqlite3.Connection
) -> None:
    before, steps = all_rows(wal_live), list[int]()

    def stop(copied: int) -> None:
        steps.append(copied)
        if len(steps) == 4:
            raise BackupError("enough")

    with pytest.raises(BackupError, match=r"^enough$") as stopped:
        restore_into(staged, wal_live, lock_timeout=LOCK_TIMEOUT, checkpoint=stop)
    assert stopped.value.untouched
    assert all_rows(wal_live) == before
    service.execute("INSERT INTO orders(item, amount) VALUES ('later', 1)")
    assert len(rows_of(wal_live)) == 32
    assert integrity(wal_live) == "ok"


@pytest.mark.parametrize("is_open", [True, False])
def test_a_copy_that_is_killed_leaves_the_rows_and_the_next_one_restores(
    wal_live: Path, staged: Path, request: pytest.FixtureRequest, is_open: bool
) -> None:
    if is_open:
        request.getfixturevalue("service")
    before = all_rows(wal_live)
    log = wal_live.with_name("orders.db-wal")
    command = [sys.executable, "-c", KILLED_AT_SECOND_STEP, str(staged), str(wal_live)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert log.read_bytes().endswith(bytes(PAGES_PER_STEP * FRAME)), "it was extended"
    assert all_rows(wal_live) == before
    assert integrity(wal_live) == "ok"
    assert restore_and_verify(staged, wal_live) == []
    assert rows_of(wal_live) == rows_of(staged)


def test_a_log_that_cannot_be_extended_is_written_all_the_same(
    wal_live: Path, staged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    restore_into(staged, wal_live, lock_timeout=LOCK_TIMEOUT, checkpoint=lambda _: None)
    assert rows_of(wal_live) == rows_of(staged)


def test_a_file_that_has_the_number_of_a_closed_log_stays_as_it_is(
    wal_live: Path, staged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = page_cache._open_as
    (tmp_path / "other").write_bytes(b"other")
    with (tmp_path / "other").open("r+b") as other:
        # another thread closed a connection to the database, and opened the file, after the listing
        monkeypatch.setattr(page_cache, "_open_as", lambda paths: [other.fileno(), *listed(paths)])
        restore_into(staged, wal_live, lock_timeout=LOCK_TIMEOUT, checkpoint=lambda _: None)
        staged_copy(wal_live)
    assert (tmp_path / "other").read_bytes() == b"other"
    assert rows_of(wal_live) == rows_of(staged)


def test_a_file_that_has_the_name_of_the_log_is_not_extended(
    wal_live: Path, staged: Path, service: sqlite3.Connection
) -> None:
    log, steps = wal_live.with_name("orders.db-wal"), list[int]()

    def replace(copied: int) -> None:
        steps.append(copied)
        if len(steps) == 2:
            log.rename(log.with_name("moved"))
            log.write_bytes(b"another")
        if len(steps) == 5:
            raise BackupError("enough")

    with pytest.raises(BackupError, match=r"^enough$"):
        restore_into(staged, wal_live, lock_timeout=LOCK_TIMEOUT, checkpoint=replace)
    assert log.read_bytes() == b"another"
