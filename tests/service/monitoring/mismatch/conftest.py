"""A server whose configuration does not say where its databases are."""

import shutil
from pathlib import Path

import pytest

from tests.support.processes.database_server import without_key


@pytest.fixture
def root(tacacs_root: Path) -> Path:
    """Return the root of a server whose configuration does not say where devices and accounting are."""
    without_key(tacacs_root, "devices", "database")
    without_key(tacacs_root, "database", "accounting_db")
    return tacacs_root


@pytest.fixture
def other(tmp_path: Path, root: Path) -> Path:
    """Return a database of devices in another place."""
    folder = tmp_path / "var"
    folder.mkdir()
    return Path(shutil.copy(root / "data" / "devices.db", folder / "devices.db"))


@pytest.fixture
def own_processes() -> None:
    """Look at all processes of this machine, as a site does."""
