"""A small instance and the keys of a site: a plugin of the modules that encrypt."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.support.archives.age_files import IDENTITY, RECIPIENT, identity_file
from tests.support.databases.sqlite_files import make_database

SHOP = """\
[shop]
kind = "generic"
root = "{root}"
[shop.components.orders]
kind = "sqlite"
path = "orders.db"
"""


@pytest.fixture
def shop(tmp_path: Path, declare: Callable[[str], None]) -> Path:
    """Return the root of an instance with one database, known as shop."""
    root = tmp_path / "shop"
    root.mkdir()
    make_database(root / "orders.db", rows=50)
    declare(SHOP.format(root=root))
    return root


@pytest.fixture
def recipient(settings: Settings) -> str:
    """Encrypt for one recipient whose identity is elsewhere."""
    settings.BACKUP_ENCRYPTION_RECIPIENTS = [RECIPIENT]
    return RECIPIENT


@pytest.fixture
def identity(recipient: str, settings: Settings, tmp_path: Path) -> Path:
    """Encrypt for one recipient, and return the file of its identity, which is configured."""
    path = identity_file(tmp_path, IDENTITY)
    path.chmod(0o600)
    settings.BACKUP_ENCRYPTION_IDENTITY_FILE = [str(path)]
    return path
