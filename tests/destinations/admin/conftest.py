"""A destination."""

from pathlib import Path

import pytest

from destinations.models import BackupDestination


@pytest.fixture
def nas(backup_root: Path) -> BackupDestination:
    return BackupDestination.objects.create(name="nas", type="local", config_json={"path": "nas"}, created_by="alice")
