"""A backup, which is signed."""

from pathlib import Path

import pytest

from backups.models import BackupExecution
from tests.support.site_fixtures import BackUp


@pytest.fixture
def execution(shop: Path, back_up: BackUp) -> BackupExecution:
    return back_up("shop")
