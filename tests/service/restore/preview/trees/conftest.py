"""An instance with a tree of uploads."""

from pathlib import Path

import pytest

from tests.support.site_fixtures import Declare

SHOP = """\
[shop]
kind = "generic"
root = "{root}"
[shop.components.uploads]
kind = "files"
path = "uploads"
[shop.components.settings]
kind = "files"
path = "settings.ini"
"""


@pytest.fixture
def uploads(tmp_path: Path, declare: Declare) -> Path:
    """Return a tree with files, a folder and a link, of an instance known as shop."""
    root = tmp_path / "shop"
    (root / "uploads" / "album").mkdir(parents=True)
    (root / "uploads" / "album" / "photo.jpg").write_bytes(b"photo")
    (root / "uploads" / "one.txt").write_text("one")
    (root / "uploads" / "two.txt").write_text("two")
    (root / "uploads" / "latest").symlink_to("one.txt")
    (root / "settings.ini").write_text("open = true\n")
    declare(SHOP.format(root=root))
    return root / "uploads"
