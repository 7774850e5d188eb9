"""Files that were replaced or removed under a running service."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.databases.sqlite_files import make_database
from tests.support.processes.database_server import found, seen, server
from tests.support.processes.unprivileged_user import NOBODY, open_way
from tests.support.restores.instance_restores import restore
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db


def replace_by_rename(root: Path) -> None:
    shutil.copy(root / "orders.db", root / "orders.new")
    (root / "orders.new").replace(root / "orders.db")


def move_aside(root: Path) -> None:
    (root / "orders.db").rename(root / "orders.db.old")
    shutil.copy(root / "orders.db.old", root / "orders.db")


@pytest.mark.parametrize("how", [replace_by_rename, move_aside])
def test_a_file_that_was_replaced_under_a_running_service_is_a_warning_of_backup_and_restore(
    small_shop: Path, back_up: BackUp, how: Callable[[Path], None]
) -> None:
    with server(small_shop / "orders.db", cwd=Path("/")) as running:
        assert back_up("shop").warnings == []
        how(small_shop)
        backup = back_up("shop")
        (warning,) = backup.warnings
        assert f"process {running.pid}" in warning and str(small_shop / "orders.db") in warning
        assert any(f"process {running.pid}" in text for text in restore(backup).warnings)
    assert back_up("shop").warnings == []


def test_a_file_that_root_replaced_under_the_service_of_another_user_is_a_warning(
    tmp_path: Path, small_shop: Path
) -> None:
    """The service may be known by nothing else: root owns the folder and the new file."""
    open_way(tmp_path)
    (small_shop / "orders.db").chmod(0o666)
    small_shop.chmod(0o777)
    with server(small_shop / "orders.db", cwd=Path("/"), RUN_AS=NOBODY):
        assert seen("shop") == []
        replace_by_rename(small_shop)
        assert seen("shop") == [("orders", False)]


def test_a_log_that_was_removed_under_a_running_service_is_seen(tmp_path: Path, small_shop: Path) -> None:
    (small_shop / "orders.db").unlink()
    make_database(small_shop / "orders.db", journal="WAL")
    with server(small_shop / "orders.db", cwd=Path("/")):
        assert seen("shop") == []
        (small_shop / "orders.db-wal").unlink()
        (message,) = map(str, found("shop"))
    assert "orders.db-wal" in message


def test_a_file_of_the_same_name_that_was_replaced_elsewhere_is_nothing(tmp_path: Path, small_shop: Path) -> None:
    alike = tmp_path / "shop-2"
    alike.mkdir()
    for name in ("orders.db", "orders.db2"):
        make_database(alike / name)
    with server(alike / "orders.db", alike / "orders.db2", cwd=alike):
        replace_by_rename(alike)
        assert seen("shop") == []
