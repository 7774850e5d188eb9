"""A destination with a rule."""

import pytest

from destinations.models import BackupDestination
from tests.support.pruned import ruled


@pytest.fixture
def nas(destination: BackupDestination) -> BackupDestination:
    """A destination that keeps seven days, and two backups whatever happens."""
    return ruled(destination, retention_days=7, min_keep=2)
