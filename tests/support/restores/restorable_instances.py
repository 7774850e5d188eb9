"""Instances to restore, as fixtures: a plugin of the modules that need them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.databases.sqlite_files import make_database

STORE = """\
[store]
kind = "generic"
root = "{root}"
state = "state"
[store.components.orders]
kind = "sqlite"
path = "orders.db"
[store.components.uploads]
kind = "files"
path = "uploads"
[store.components.settings]
kind = "files"
path = "settings.ini"
"""


@pytest.fixture
def store(tmp_path: Path, declare: Callable[[str], None]) -> Path:
    """Return the root of an instance with a database, a tree and a single file, known as store."""
    root = tmp_path / "store"
    (root / "uploads" / "empty").mkdir(parents=True)
    make_database(root / "orders.db", rows=50)
    (root / "uploads" / "one.bin").write_bytes(os.urandom(5000))
    (root / "uploads" / "folder").mkdir()
    (root / "uploads" / "folder" / "two.txt").write_text("two\n")
    (root / "uploads" / "link").symlink_to("folder/two.txt")
    (root / "settings.ini").write_text("[store]\nopen = true\n")
    declare(STORE.format(root=root))
    return root
