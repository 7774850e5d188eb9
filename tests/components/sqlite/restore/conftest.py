"""A live database, and connections to it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.databases.sqlite_files import make_database


@pytest.fixture
def tmp_path(disk_path: Path) -> Path:
    """Return a folder of the disk, in which SQLite locks, syncs and maps its files."""
    return disk_path


@pytest.fixture
def live(tmp_path: Path) -> Path:
    folder = tmp_path / "service"
    folder.mkdir()
    return make_database(folder / "orders.db", rows=30)


@pytest.fixture
def open_connections(live: Path) -> Iterator[sqlite3.Connection]:
    """Two connections that were opened, and used, before the restore; the second one keeps a cache."""
    with closing(sqlite3.connect(live, isolation_level=None, timeout=2)) as first:
        first.execute("SELECT * FROM orders").fetchall()
        yield first
