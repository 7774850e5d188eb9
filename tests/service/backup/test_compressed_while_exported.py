"""Databases that are compressed while they are copied: the archive is the same, whatever becomes of the copy."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Event, Semaphore
from typing import Any

import pytest

from backups.archive.compression.write import BLOCK_BYTES
from backups.archive.tar import growing
from backups.archive.tar.growing import Growing
from backups.archive.tar.members import PackedPart
from backups.components import sqlite
from backups.components.sqlite.component import SQLiteComponent
from backups.errors import DamagedComponent, Untouched
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


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes that are announced during the copy; its end waits until what they tell of was read."""
    sizes, read = list[int](), Semaphore(0)
    total, written, stop = growing._sum, Growing.written, Growing.stop

    def stop_behind(self: Growing) -> None:
        for _ in range(blocks_of(sizes[-1])):
            assert read.acquire(timeout=60)
        stop(self)

    monkeypatch.setattr(growing, "_sum", lambda block: read.release() or total(block))
    monkeypatch.setattr(Growing, "written", lambda self, size: sizes.append(size) or written(self, size))
    monkeypatch.setattr(Growing, "stop", stop_behind)
    return sizes


def blocks_of(size: int) -> int:
    """Return how many blocks are compressed ahead when `size` bytes are written."""
    return size // BLOCK_BYTES - growing.BLOCKS_BEHIND - growing.FIRST


def test_a_database_is_compressed_while_it_is_copied(
    back_up: BackUp, large_shop: Path, held: list[bool], announced: list[int]
) -> None:
    backup = back_up("shop")
    assert announced == sorted(announced)
    assert held.count(True) == blocks_of(announced[-1]) >= 3
    assert verify_backup(backup, by="tests").databases == 1


def test_a_copy_that_is_found_damaged_leaves_neither_archive_nor_files(
    refused: Callable[..., BackupExecution], large_shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_: object, **__: object) -> None:
        raise DamagedComponent("orders.db is corrupt.", hint="Restore it from the last good backup.")

    monkeypatch.setattr(sqlite, "check", damaged)
    refused(DamagedComponent)


def test_whether_a_restore_would_be_refused_is_found_out_beside_the_compression(
    back_up: BackUp, small_shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, packed, real = Event(), list[bool](), pack.Bodies.pack

    def packing(*arguments: Any) -> PackedPart:
        begun.set()
        return real(*arguments)

    def obstacles(_: object) -> Iterator[Untouched]:
        # it would wait in vain where the compression is submitted afterwards
        packed.append(begun.wait(20))
        yield Untouched("The folder is immutable.")

    monkeypatch.setattr(pack.Bodies, "pack", packing)
    monkeypatch.setattr(SQLiteComponent, "obstacles", obstacles)
    backup = back_up("shop")
    assert packed == [True]
    assert backup.warnings == ["a restore of orders would be refused here now: The folder is immutable."]
