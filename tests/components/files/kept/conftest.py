"""An empty tree, and a folder for what is packed of it."""

from pathlib import Path

import pytest


@pytest.fixture
def live(tmp_path: Path) -> Path:
    root = tmp_path / "service" / "data"
    root.mkdir(parents=True)
    return root


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    folder = tmp_path / "staged"
    folder.mkdir()
    return folder
