"""Databases and environment files that the instances file declares."""

import shutil
from pathlib import Path

import pytest

from backups.errors import BackupError
from tests.support.databases.sqlite_files import rows_of
from tests.support.processes.database_server import VARIABLE, seen, server
from tests.support.restores.instance_restores import change, restore
from tests.support.site_fixtures import TACACS, BackUp, Declare

pytestmark = pytest.mark.django_db


def test_the_instances_file_can_say_where_a_database_is(
    root: Path, tmp_path: Path, declare: Declare, back_up: BackUp
) -> None:
    moved = root / "moved"
    moved.mkdir()
    shutil.move(root / "data/devices.db", moved / "inventory.sqlite")
    change(moved / "inventory.sqlite", "DELETE FROM devices WHERE id > 7")
    with server(
        root / "data/local_auth.db",
        moved / "inventory.sqlite",
        cwd=root,
        TACACS_DEVICES_DATABASE="moved/inventory.sqlite",
    ):
        with pytest.raises(BackupError):
            back_up()
        declare(TACACS.format(root=root) + '[tacacs-hq.databases]\ndevices = "moved/inventory.sqlite"\n')
        assert seen() == []
        backup = back_up()
        change(moved / "inventory.sqlite", "DELETE FROM devices")
        restore(backup, components=["devices"])
    assert rows_of(moved / "inventory.sqlite", "SELECT count(*) FROM devices") == [(7,)]
    assert not (root / "data/devices.db").exists()


def test_what_the_instances_file_says_is_taken_at_its_word(
    root: Path, other: Path, declare: Declare, back_up: BackUp
) -> None:
    declare(TACACS.format(root=root) + '[tacacs-hq.databases]\ndevices = "data/devices.db"\n')
    with server(root / "data/local_auth.db", other, cwd=root, TACACS_DEVICES_DATABASE=other):
        assert any(VARIABLE in text for text in back_up().warnings)
