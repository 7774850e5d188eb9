"""A shop with a database and a tree."""

from pathlib import Path

import pytest

from tests.support.databases.sqlite_files import make_database
from tests.support.site_fixtures import OPTIONAL, SHOP, Declare


@pytest.fixture
def shop(tmp_path: Path, declare: Declare) -> Path:
    root = tmp_path / "shop"
    (root / "uploads").mkdir(parents=True)
    (root / "uploads" / "one.txt").write_text("one")
    make_database(root / "orders.db")
    declare(SHOP.format(root=root) + OPTIONAL)
    return root
