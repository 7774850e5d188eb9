"""The configuration of a TACACS+ server."""

from pathlib import Path

import pytest


@pytest.fixture
def file(tacacs_root: Path) -> Path:
    return tacacs_root / "config" / "tacacs.conf"


@pytest.fixture
def overrides(tacacs_root: Path) -> Path:
    return tacacs_root / "data" / "config_overrides.db"
