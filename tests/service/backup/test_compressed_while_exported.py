"""Databases that are compressed while they are copied: the archive is the same, whatever becomes of the copy."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from backups.archive.tar.growing import Growing
from backups.components import sqlite
from backups.errors import DamagedComponent
from backups.models import BackupExecution
from backups.service.backup import pack
from backups.service.drill.run import verify_backup
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db(transaction=True)
ROWS, ROW_BYTES = 14, 1_000_000


@pytest.fixture
def large_shop(small_shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(pack, "GROWING_BYTES", 1 << 20)
    with closing(sqlite3.connect(small_shop / "orders.db")) as connection:
        connection.execute("CREATE TABLE photos (data BLOB)")
        connection.executemany("INSERT INTO photos VALUES (randomblob(?))", [(ROW_BYTES,)] * ROWS)
        connection.commit()
    return small_shop


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    found: list[bool] = []
    real = Growing.holds
    monkeypatch.setattr(Growing, "holds", lambda *a: found.append(real(*a)) or found[-1])
    return found


def test_a_database_is_compressed_while_it_is_copied(back_up: BackUp, large_shop: Path, held: list[bool]) -> None:
    backup = back_up("shop")
    assert held.count(True) >= 3
    assert verify_backup(backup, by="tests").databases == 1


def test_a_copy_that_is_found_damaged_leaves_neither_archive_nor_files(
    refused: Callable[..., BackupExecution], large_shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_: object, **__: object) -> None:
        raise DamagedComponent("orders.db is corrupt.", hint="Restore it from the last good backup.")

    monkeypatch.setattr(sqlite, "check", damaged)
    refused(DamagedComponent)
