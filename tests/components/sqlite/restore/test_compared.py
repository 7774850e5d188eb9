"""A live database that is compared with the staged copy, which was checked, instead of being checked once more."""

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
from backups.errors import BackupError, ComponentError
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
    change(live, "PRAGMA journal_mode=WAL")
    with closing(sqlite3.connect(live, isolation_level=None)) as reader:
        # an old snapshot, for which the pages stay in the log
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM orders").fetchone()
        restored(staged, live)
        assert verified(staged, live) == []
    assert examined == [live]


@pytest.mark.parametrize("where", ["first page", "last row"])
def test_a_byte_that_changed_since_without_a_write_is_an_error(
    live: Path, staged: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(verify, "WRITER_WAIT_SECONDS", 0.1)
    restored(staged, live)
    # the row before the end of its page; the version that an application keeps in the header
    content = staged.read_bytes()
    (item,) = rows_of(staged, "SELECT item FROM orders ORDER BY id DESC LIMIT 1")[0]
    assert isinstance(item, bytes)
    change_byte(live, 63 if where == "first page" else content.index(item))
    with pytest.raises(ComponentError, match=r"does not hold the rows of the backup after the restore\.$"):
        verified(staged, live)


def test_what_a_service_changes_right_afterwards_is_no_error(live: Path, staged: Path, examined: list[Path]) -> None:
    restored(staged, live)
    applied = file_state(live)
    change(live, "UPDATE orders SET amount = amount + 1 WHERE id = 2000")
    assert verified(staged, live, applied=applied) == []
    assert examined == [live]
    change(live, "DELETE FROM orders WHERE id = 2000")
    assert verified(staged, live, applied=applied) == [
        f"{live.name} was written to by its service right after the restore"
    ]


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

    tables = restored(staged, live).tables
    with pytest.raises(BackupError, match=r"^enough$"):
        verify_restored(live, tables, file_state(live), lock_timeout=1, checked=staged, checkpoint=stop)


@pytest.mark.parametrize(("page", "is_checked_again"), [(4096, False), (8192, True)])
def test_a_copy_that_was_rebuilt_for_another_page_size_counts_as_not_checked(
    live: Path, staged: Path, examined: list[Path], page: int, is_checked_again: bool
) -> None:
    live.unlink()
    make_database(live, page=page, journal="WAL")
    checked = frozenset({identity} if (identity := identity_of(staged)) else ())
    context = ApplyContext(staged.parent, LOCK_TIMEOUT, lambda _: None, checked=checked)
    facts = sqlite.facts(staged)
    entry = Entry(staged.name, staged.stat().st_size, "", "database", "orders", tables=facts.tables)
    component = SQLiteComponent("orders", live, member=staged.name)
    component.apply([entry], context)
    assert component.verify([entry], context) == []
    assert (examined == [live]) is is_checked_again
    assert rows_of(live) == rows_of(staged)


@pytest.mark.parametrize(("offset", "is_same"), [(0, True), (4095, True), (4096, False), (-1, False)])
def test_the_page_of_the_locks_does_not_count(tmp_path: Path, offset: int, is_same: bool) -> None:
    database = make_database(tmp_path / "one.db", page=4096)
    header = database.read_bytes()[:4096]
    paths = [tmp_path / "large.db", tmp_path / "other.db"]
    for path in paths:
        with path.open("wb") as file:
            file.write(header)
            # a gigabyte of nothing
            file.truncate(verify.LOCK_BYTE + 5 * 4096)
    with paths[0].open("rb") as one, paths[1].open("r+b") as other:
        other.seek(verify.LOCK_BYTE + offset)
        other.write(b"x")
        other.flush()
        assert verify._same_pages(one.fileno(), other.fileno(), lambda _: None) is is_same
