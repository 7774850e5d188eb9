"""A folder with archive files."""

from pathlib import Path

import pytest

from tests.support.archives.stored import an_archive


@pytest.fixture
def usb(tmp_path: Path) -> Path:
    """An archive on a stick, under a name that says nothing."""
    path = tmp_path / "from usb (1).bin"
    path.write_bytes(an_archive(backup_type="scheduled"))
    return path
