"""A tree that is backed up, spoilt and restored."""

from pathlib import Path

import pytest

from tests.components.files.in_place.trial import Trial


@pytest.fixture
def live(tmp_path: Path) -> Path:
    root = tmp_path / "service" / "data"
    (root / "volume" / "inner").mkdir(parents=True)
    (root / "conf").mkdir()
    (root / "conf" / "app.ini").write_text("mode = old\n")
    (root / "conf" / "other.ini").write_text("other\n")
    (root / "first").write_text("first")
    return root


@pytest.fixture
def trial(live: Path, tmp_path: Path) -> Trial:
    return Trial(live, tmp_path / "staged")
