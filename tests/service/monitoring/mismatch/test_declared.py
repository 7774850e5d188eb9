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


@pytest.mark.parametrize(
    ("line", "certain"),
    [
        ("TACACS_DEVICES_DATABASE={other}", True),
        ('  export TACACS_DEVICES_DATABASE = "{other}"', True),
        ("TACACS_DEVICES_DATABASE='/app/data/devices.db'", False),
        ("TACACS_DEVICES_DATABASE=data/devices.db", None),
        ("#TACACS_DEVICES_DATABASE={other}", None),
        ("TACACS_DEVICES_DATABASE=", None),
        ("TACACS_DEVICES_DATABASES={other}", None),
    ],
)
def test_an_environment_file_is_read_without_a_process(
    root: Path, other: Path, tmp_path: Path, declare: Declare, line: str, certain: bool | None
) -> None:
    file = tmp_path / "default"
    file.write_text(f"; a comment\n\nPORT=49\n=/none\n{line.format(other=other)}\nno assignment\n")
    declare(TACACS.format(root=root) + f'environment_file = "{file}"\n')
    assert seen() == ([] if certain is None else [("devices", certain)])


def test_an_environment_file_that_cannot_be_read_is_said(root: Path, tmp_path: Path, declare: Declare) -> None:
    declare(TACACS.format(root=root) + f'environment_file = "{tmp_path}/none"\n')
    assert seen() == [("config", False)]
    (tmp_path / "none").write_bytes(b"A=\xff\n")
    assert seen() == [("config", False)]
