import shutil
import sqlite3
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from backups.components import sqlite
from backups.components.sqlite.snapshot import PAGES_AHEAD
from backups.errors import Cancelled, ComponentError, DamagedComponent, MissingComponent
from tests.support.databases.sqlite_files import (
    ROW,
    Writer,
    coins,
    exclusively_locked,
    leave_hot_journal,
    make_bank,
    make_database,
    rows_of,
)
from tests.support.processes.unprivileged_user import as_nobody


def snapshot(source: Path, *, lock_timeout: float = 1.0) -> Path:
    target = source.parent / "export" / "copy.db"
    target.parent.mkdir(exist_ok=True)
    target.unlink(missing_ok=True)
    sqlite.snapshot(source, target, lock_timeout=lock_timeout, checkpoint=lambda _: None)
    sqlite.check(target)
    sqlite.facts(target)
    assert [path.name for path in target.parent.iterdir()] == ["copy.db"], "no -wal, -shm or -journal of the copy"
    assert target.stat().st_mode & 0o777 == 0o600
    return target


def test_writers_of_a_wal_database_are_never_blocked_and_the_snapshot_is_consistent(tmp_path: Path) -> None:
    bank = make_bank(tmp_path / "bank.db", megabytes=60)
    with Writer(bank) as writer:
        for _ in range(3):
            copy = snapshot(bank)
            assert coins(copy) == 1000
            assert rows_of(copy, "SELECT amount FROM purse") != [(1000,)], "the writer had committed"
            with closing(sqlite3.connect(copy)) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert writer.errors == "", "no commit waited 100 ms for a lock"
    assert writer.commits > 100


def test_commits_that_are_only_in_the_wal_are_in_the_snapshot(tmp_path: Path) -> None:
    source = make_database(tmp_path / "live.db", rows=3, journal="WAL")
    with closing(sqlite3.connect(source)) as service:
        service.execute("PRAGMA wal_autocheckpoint=0")
        service.execute(ROW, ("only in the wal", 7))
        service.commit()
        assert (tmp_path / "live.db-wal").stat().st_size > 0
        service.execute(ROW, ("not committed", 8))
        assert rows_of(snapshot(source), "SELECT count(*), max(amount) FROM orders") == [(4, 7)]


def test_the_copy_of_a_wal_database_is_one_plain_file(tmp_path: Path) -> None:
    copy = snapshot(make_database(tmp_path / "live.db", journal="WAL"))
    assert copy.read_bytes()[18:20] == b"\x01\x01", "file format 1: a rollback journal, no log"


@pytest.mark.parametrize("journal", ["DELETE", "TRUNCATE", "PERSIST", "MEMORY", "OFF", "WAL"])
def test_every_journal_mode_is_copied(tmp_path: Path, journal: str) -> None:
    source = make_database(tmp_path / "live.db", rows=50, journal=journal)
    assert rows_of(snapshot(source)) == rows_of(source)


@pytest.mark.parametrize("page", [512, 1024, 4096, 65536])
def test_every_page_size_is_copied_and_counted_in_bytes(tmp_path: Path, page: int) -> None:
    source = make_database(tmp_path / "live.db", rows=3000, blob_bytes=200, page=page)
    copied: list[int] = []
    sqlite.snapshot(source, tmp_path / "copy.db", lock_timeout=1, checkpoint=copied.append)
    assert rows_of(tmp_path / "copy.db", "PRAGMA page_size") == [(page,)]
    assert sum(copied) == (tmp_path / "copy.db").stat().st_size == source.stat().st_size


def test_the_copy_grows_ahead_of_its_pages_and_is_what_the_backup_api_alone_makes(tmp_path: Path) -> None:
    source = make_database(tmp_path / "live.db", rows=30, blob_bytes=1 << 20, journal="WAL")
    target, plain, sizes = tmp_path / "copy.db", tmp_path / "plain.db", list[tuple[int, int]]()
    copied = 0

    def checkpoint(size: int) -> None:
        nonlocal copied
        copied += size
        sizes.append((copied, target.stat().st_size))

    sqlite.snapshot(source, target, lock_timeout=1, checkpoint=checkpoint)
    with closing(sqlite3.connect(source)) as reading, closing(sqlite3.connect(plain)) as writing:
        reading.backup(writing)
        writing.execute("PRAGMA journal_mode=DELETE")
    assert target.read_bytes() == plain.read_bytes()
    # each step sees what the one before extended
    ahead = [(min(before + PAGES_AHEAD * 4096, copied), size) for (before, _), (_, size) in pairwise(sizes)]
    assert len(ahead) > 5
    assert all(size == wanted for wanted, size in ahead)


def test_an_open_write_transaction_of_the_service_does_not_stop_the_copy(tmp_path: Path) -> None:
    source = make_database(tmp_path / "live.db", rows=5)
    with closing(sqlite3.connect(source)) as service:
        service.execute(ROW, ("under way", 9))
        assert len(rows_of(snapshot(source))) == 5


def test_a_lock_held_past_the_deadline_is_a_clear_error_in_time(tmp_path: Path) -> None:
    source = make_database(tmp_path / "live.db")
    with exclusively_locked(source):
        began = time.monotonic()
        with pytest.raises(
            ComponentError, match=rf"^{source} stayed locked by another process for 0\.5 s\.$"
        ) as refused:
            snapshot(source, lock_timeout=0.5)
        assert 0.5 <= time.monotonic() - began < 2.5
    assert "BACKUP_LOCK_TIMEOUT" in refused.value.hint


def test_the_wait_for_a_lock_can_be_cancelled(tmp_path: Path) -> None:
    source = make_database(tmp_path / "live.db")

    def cancel(_: int) -> None:
        raise Cancelled("cancelled by tests")

    with exclusively_locked(source), pytest.raises(Cancelled):
        sqlite.snapshot(source, tmp_path / "copy.db", lock_timeout=30, checkpoint=cancel)


def test_a_long_check_and_a_long_count_can_be_cancelled(tmp_path: Path) -> None:
    source = make_database(tmp_path / "live.db", rows=300_000, blob_bytes=4)

    def cancel(_: int) -> None:
        raise Cancelled("cancelled by tests")

    with pytest.raises(Cancelled):
        sqlite.check(source, checkpoint=cancel)


def test_a_journal_left_by_a_killed_writer_is_named_and_nothing_is_touched(tmp_path: Path) -> None:
    source = make_database(tmp_path / "live.db", rows=400, blob_bytes=900)
    before = rows_of(source)
    leave_hot_journal(source)
    half_written = source.read_bytes()
    with pytest.raises(ComponentError, match="holds an unfinished transaction of a process that died") as refused:
        snapshot(source)
    assert refused.value.hint == "Start and stop the service once, which rolls the transaction back."
    assert source.read_bytes() == half_written
    with closing(sqlite3.connect(source)) as service:
        assert service.execute("SELECT * FROM orders ORDER BY id").fetchall() == before
    assert rows_of(snapshot(source)) == before


def test_a_corrupt_database_is_found(tmp_path: Path) -> None:
    source = make_database(tmp_path / "live.db", rows=400, blob_bytes=900)
    with source.open("r+b") as file:
        file.seek(20 * 4096)
        file.write(b"\xff" * 4096)
    with pytest.raises(DamagedComponent, match=r"copy\.db is corrupt: .*"):
        snapshot(source)


def test_a_truncated_database_is_found(tmp_path: Path) -> None:
    source = make_database(tmp_path / "live.db", rows=400, blob_bytes=900)
    with source.open("r+b") as file:
        file.truncate(30 * 4096)
    with pytest.raises(DamagedComponent, match=r"(copy|live)\.db is corrupt: "):
        snapshot(source)


@pytest.mark.parametrize("content", [b"SQLite format 3\0", b"just some text" * 500, b"\0" * 4096])
def test_a_file_that_is_no_database_is_named(tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "live.db"
    source.write_bytes(content)
    with pytest.raises(DamagedComponent, match=rf"^{source} is not a SQLite database\.$"):
        snapshot(source)


def test_what_is_missing_or_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingComponent, match=rf"^{tmp_path}/none\.db does not exist\.$"):
        snapshot(tmp_path / "none.db")
    with pytest.raises(ComponentError, match=rf"^{tmp_path} is not a file\.$"):
        snapshot(tmp_path)


@pytest.mark.parametrize("locked", ["the file", "its folder"])
def test_an_unreadable_database_is_named(tmp_path: Path, locked: str) -> None:
    folder = tmp_path / "service"
    folder.mkdir()
    source = make_database(folder / "live.db")
    (source if locked == "the file" else folder).chmod(0)
    error = as_nobody(tmp_path, "sqlite", str(source))
    folder.chmod(0o755)
    assert error.startswith(f"ComponentError: {source} cannot be read: ")
    assert error.endswith("(Check that this user may read the file and its folder.)")


def test_a_user_who_may_only_read_copies_a_wal_database_that_is_in_use(tmp_path: Path) -> None:
    folder = tmp_path / "service"
    folder.mkdir()
    source = make_database(folder / "live.db", journal="WAL")
    with closing(sqlite3.connect(source)) as service:
        service.execute(ROW, ("last", 1))
        service.commit()
        for path in (folder, *folder.iterdir()):
            path.chmod(0o755)
        assert as_nobody(tmp_path, "sqlite", str(source)) == "11 rows"


def test_a_read_only_user_gets_the_reason_why_a_wal_database_at_rest_needs_more(tmp_path: Path) -> None:
    folder = tmp_path / "service"
    folder.mkdir()
    source = make_database(folder / "live.db", journal="WAL")
    for path in (folder, *folder.iterdir()):
        path.chmod(0o755)
    error = as_nobody(tmp_path, "sqlite", str(source))
    assert error.startswith(f"ComponentError: {source} is in WAL mode, and this user may not make the files")
    assert "Run as the user of the service" in error


def test_files_that_sqlite_makes_beside_a_source_belong_to_its_owner(tmp_path: Path) -> None:
    source = make_database(tmp_path / "live.db", journal="WAL")
    shutil.chown(source, 65534, 65534)
    snapshot(source)
    beside = [path for path in tmp_path.glob("live.db*") if path != source]
    assert {(path.stat().st_uid, path.stat().st_mode) for path in beside} <= {(65534, source.stat().st_mode)}
