"""A live database that is compared with the staged copy, which was checked, instead of being checked once more."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from backups.archive.manifest.document import Entry
from backups.components import ApplyContext, sqlite
from backups.components.sqlite import verify
from backups.components.sqlite.component import SQLiteComponent
from backups.components.sqlite.restore import restore_into
from backups.components.sqlite.verify import file_state, verify_restored
from backups.errors import BackupError, Untouched
from backups.lib.paths import identity_of
from tests.support.databases.live_restores import LOCK_TIMEOUT, change_byte, staged_copy
from tests.support.databases.sqlite_files import make_database, rows_of
from tests.support.restores.instance_restores import change

LOCKED_OUT = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0)
try:
    connection.execute("BEGIN EXCLUSIVE")
except sqlite3.OperationalError as error:
    sys.exit(error.sqlite_errorname)
"""


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The databases that SQLite was asked to check."""
    paths: list[Path] = []
    examine = sqlite.examine

    def noted(connection: sqlite3.Connection, *, path: Path, name: str) -> tuple[sqlite.Unchecked, ...]:
        paths.append(path)
        return examine(connection, path=path, name=name)

    monkeypatch.setattr(verify.sqlite, "examine", noted)
    return paths


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    """A copy with more rows than the live database, of more than one block."""
    return staged_copy(make_database(tmp_path / "orders.db", rows=3000, blob_bytes=100))


def restored(staged: Path, live: Path) -> sqlite.Facts:
    restore_into(staged, live, lock_timeout=LOCK_TIMEOUT, checkpoint=lambda _: None)
    return sqlite.facts(staged)


def verified(staged: Path, live: Path, *, applied: tuple[object, ...] | None = None) -> list[str]:
    tables = sqlite.facts(staged).tables
    return verify_restored(live, tables, applied or file_state(live), lock_timeout=LOCK_TIMEOUT, checked=staged)


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
@pytest.mark.parametrize("is_open", [True, False])
def test_a_database_that_equals_its_checked_copy_is_not_checked_again(
    live: Path, staged: Path, examined: list[Path], journal: str, is_open: bool
) -> None:
    change(live, f"PRAGMA journal_mode={journal}")
    with closing(sqlite3.connect(live)) as service:
        if is_open:
            assert service.execute("SELECT count(*) FROM orders").fetchone() == (30,)
        restored(staged, live)
        assert verified(staged, live) == []
        assert service.execute("SELECT count(*) FROM orders").fetchone() == (3000,)
    assert examined == []
    assert rows_of(live) == rows_of(staged)


def test_without_a_checked_copy_the_database_is_checked(live: Path, staged: Path, examined: list[Path]) -> None:
    tables = restored(staged, live).tables
    assert verify_restored(live, tables, file_state(live), lock_timeout=LOCK_TIMEOUT) == []
    assert examined == [live]


def test_a_database_whose_log_still_holds_pages_is_checked(live: Path, staged: Path, examined: list[Path]) -> None:
    # as many pages before as afterwards
    restored(staged, live)
    change(live, "PRAGMA journal_mode=WAL", "UPDATE orders SET amount = amount + 1")
    with closing(sqlite3.connect(live, isolation_level=None)) as reader:
        # an old snapshot, for which the pages stay in the log
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM orders").fetchone()
        restored(staged, live)
        assert live.stat().st_size == staged.stat().st_size
        assert verified(staged, live) == []
    assert examined == [live]


def test_a_copy_of_another_size_is_not_compared(live: Path, staged: Path, examined: list[Path]) -> None:
    with staged.open("ab") as file:
        # behind the last page, where SQLite does not look
        file.write(bytes(4096))
    restored(staged, live)
    assert verified(staged, live) == []
    assert examined == [live]


@pytest.mark.parametrize("where", ["first page", "last row"])
def test_a_byte_that_changed_since_without_a_write_is_a_note(
    live: Path, staged: Path, examined: list[Path], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(verify, "WRITER_WAIT_SECONDS", 0.1)
    restored(staged, live)
    # the version that an application keeps in the header; a value of a row
    (item,) = rows_of(staged, "SELECT item FROM orders ORDER BY id DESC LIMIT 1")[0]
    assert isinstance(item, bytes)
    change_byte(live, 63 if where == "first page" else staged.read_bytes().index(item))
    assert verified(staged, live) == [f"{live.name} {verify.DIFFERS}"]
    assert examined == [live]


def test_what_a_service_changes_right_afterwards_is_no_note(live: Path, staged: Path, examined: list[Path]) -> None:
    restored(staged, live)
    # some kernels and file systems keep no finer times
    os.utime(live, (0, 0))
    applied = file_state(live)
    change(live, "UPDATE orders SET amount = amount + 1 WHERE id = 2000")
    assert verified(staged, live, applied=applied) == []
    assert examined == [live]
    change(live, "DELETE FROM orders WHERE id = 2000")
    expected = [f"{live.name} was written to by its service right after the restore"]
    assert verified(staged, live, applied=applied) == expected


def test_nothing_is_written_into_the_file_while_it_is_compared(live: Path, staged: Path) -> None:
    restored(staged, live)
    refused: list[str] = []

    def write(_copied: int) -> None:
        with closing(sqlite3.connect(live, isolation_level=None, timeout=0)) as service:
            try:
                service.execute("UPDATE orders SET amount = 0")
            except sqlite3.OperationalError as error:
                refused.append(error.sqlite_errorname)

    assert verify._equals(live, staged, write)
    assert len(refused) > 1 and set(refused) == {"SQLITE_BUSY"}


def test_locks_that_this_process_holds_stay(live: Path, staged: Path, examined: list[Path]) -> None:
    restored(staged, live)
    with closing(sqlite3.connect(live, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM orders").fetchone()
        assert verified(staged, live) == []
        found = subprocess.run([sys.executable, "-c", LOCKED_OUT, live], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr.strip()) == (1, "SQLITE_BUSY")
    assert examined == []


def test_the_comparison_can_be_stopped(live: Path, staged: Path) -> None:
    def stop(_copied: int) -> None:
        raise BackupError("enough")

    restored(staged, live)
    with pytest.raises(BackupError, match=r"^enough$"):
        verify._equals(live, staged, stop)


@pytest.mark.parametrize(("page", "is_checked_again"), [(4096, False), (8192, True)])
def test_a_copy_that_was_rebuilt_for_another_page_size_counts_as_not_checked(
    live: Path, staged: Path, examined: list[Path], page: int, is_checked_again: bool
) -> None:
    live.unlink()
    make_database(live, page=page, journal="WAL")
    identity = identity_of(staged)
    assert identity is not None
    context = ApplyContext(staged.parent, LOCK_TIMEOUT, lambda _: None, checked={staged.name: identity})
    facts = sqlite.facts(staged)
    entry = Entry(staged.name, staged.stat().st_size, "", "database", "orders", tables=facts.tables)
    component = SQLiteComponent("orders", live, member=staged.name)
    component.apply([entry], context)
    assert component.verify([entry], context) == []
    assert (examined == [live]) is is_checked_again
    assert rows_of(live) == rows_of(staged)


def test_a_copy_with_the_name_of_another_that_was_checked_does_not_count(staged: Path) -> None:
    identity = identity_of(staged)
    assert identity is not None
    entry = Entry(staged.name, staged.stat().st_size, "", "database", "orders")
    context = ApplyContext(staged.parent, LOCK_TIMEOUT, lambda _: None, checked={"other.db": identity})
    assert context.checked_copy(entry) is None


@pytest.mark.parametrize("version", ["before 3.7.0", "other"])
def test_a_number_of_pages_that_is_not_kept_in_the_header_does_not_count(
    live: Path, staged: Path, examined: list[Path], version: str
) -> None:
    with staged.open("r+b") as file:
        if version == "other":
            # it is taken for wrong unless this is the change counter
            file.seek(92)
            file.write(b"\xff\xff\xff\xff")
        file.seek(28)
        file.write(bytes(4))
    restored(staged, live)
    assert verified(staged, live) == []
    assert examined == []
    assert rows_of(live) == rows_of(staged)


@pytest.mark.parametrize(("offset", "is_same"), [(0, True), (4095, True), (4096, False), (-1, False)])
def test_the_page_of_the_locks_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offset: int, is_same: bool
) -> None:
    # not a gigabyte
    monkeypatch.setattr(verify, "LOCK_BYTE", 2 * verify.BLOCK)
    content = make_database(tmp_path / "one.db", page=4096).read_bytes()[:4096]
    first, second = tmp_path / "first.db", tmp_path / "second.db"
    first.write_bytes(content.ljust(3 * verify.BLOCK, b"\0"))
    changed = bytearray(first.read_bytes())
    changed[verify.LOCK_BYTE + offset] = 1
    second.write_bytes(changed)
    with first.open("rb") as one, second.open("rb") as other:
        assert verify._same_pages(one.fileno(), other.fileno(), lambda _: None) is is_same


@pytest.mark.parametrize("suffix", ["-wal", "-journal"])
def test_a_member_with_the_name_of_a_log_is_not_written_into_the_checked_copy(
    live: Path, staged: Path, suffix: str
) -> None:
    before, copy = live.read_bytes(), staged.read_bytes()
    staged.with_name(staged.name + suffix).write_bytes(b"x")
    with pytest.raises(Untouched, match="has the name of a log"):
        restored(staged, live)
    assert (live.read_bytes(), staged.read_bytes()) == (before, copy)
