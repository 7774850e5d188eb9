"""Destinations on the disk."""

from pathlib import Path

import pytest


@pytest.fixture
def tmp_path(disk_path: Path) -> Path:
    """Return a folder of the disk, in which archives are synced and get their names."""
    return disk_path
