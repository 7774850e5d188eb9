"""A backup, and commands that get a signal."""

from pathlib import Path

import pytest

from backups.models import BackupExecution
from tests.support.site_fixtures import BackUp


@pytest.fixture
def backup(store: Path, back_up: BackUp) -> BackupExecution:
    return back_up("store")
