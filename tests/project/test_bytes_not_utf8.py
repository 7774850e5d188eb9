"""Bytes that are not UTF-8, in names of tables and in paths, are carried to the archive and back, and shown escaped."""

import os
from pathlib import Path

import pytest
from django.test import Client

from backups.models import BackupExecution
from backups.service.drill.run import drill
from tests.components.sqlite.test_names_not_utf8 import renamed
from tests.support.call_commands import command
from tests.support.databases.hostile_schemas import make
from tests.support.databases.sqlite_files import rows_of
from tests.support.pages.admin_pages import url
from tests.support.restores.instance_restores import change, restore, undo
from tests.support.rows import a_client
from tests.support.site_fixtures import BackUp, Declare

pytestmark = pytest.mark.django_db

RAW, SHOWN = b"dev\xe4ces.db", r"dev\udce4ces.db"
PERMISSIONS = ("view_backupexecution", "view_restoreexecution", "restore_backup")
OVERRIDE = (
    "INSERT INTO config_overrides(section, key, value, value_type, created_by, active)"
    " VALUES ('devices', 'database', CAST(x'{value}' AS TEXT), 'string', 'admin', 1)"
)


@pytest.fixture
def devices(tacacs_root: Path) -> Path:
    """Return the database of the devices, at a path in an override whose bytes are not UTF-8."""
    path = tacacs_root / "data" / os.fsdecode(RAW)
    (tacacs_root / "data" / "devices.db").rename(path)
    change(tacacs_root / "data" / "config_overrides.db", OVERRIDE.format(value=(b"data/" + RAW).hex()))
    return path


def answered(client: Client, *addresses: str) -> str:
    answers = [client.get(address) for address in addresses]
    assert [answer.status_code for answer in answers] == [200] * len(addresses)
    return "\n".join(answer.content.decode() for answer in answers)


def test_a_database_at_such_a_path_is_backed_up_restored_and_undone(devices: Path, back_up: BackUp) -> None:
    before = rows_of(devices, "SELECT * FROM devices")
    backup = back_up()
    assert backup.status == "completed"
    change(devices, "DELETE FROM devices")
    done = restore(backup, components=["devices"])
    note = done.outcome["devices"]
    assert note["path"].endswith(SHOWN)
    assert os.fsdecode(bytes.fromhex(note["path_hex"])) == str(devices)
    assert rows_of(devices, "SELECT * FROM devices") == before
    undo(done)
    assert rows_of(devices, "SELECT * FROM devices") == []


def test_a_restore_that_fails_rolls_it_back(devices: Path, back_up: BackUp, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = back_up()
    change(devices, "DELETE FROM devices WHERE id > 5")
    before = rows_of(devices, "SELECT * FROM devices")

    def fail_once(*_: object, **__: object) -> list[str]:
        monkeypatch.undo()
        raise RuntimeError("a fault after it was applied")

    monkeypatch.setattr("backups.components.sqlite.component.verify_restored", fail_once)
    with pytest.raises(RuntimeError):
        restore(backup, components=["devices"])
    assert rows_of(devices, "SELECT * FROM devices") == before


def test_pages_and_commands_show_such_a_path_escaped(devices: Path, back_up: BackUp) -> None:
    backup = back_up()
    done = restore(backup, components=["devices"])
    client = a_client(*PERMISSIONS)
    shown = answered(client, url(backup), "/admin/backups/instances/tacacs-hq/", url(backup, "restore"))
    assert SHOWN in shown
    assert SHOWN in answered(client, f"/admin/backups/restoreexecution/{done.pk}/change/")
    assert SHOWN in command("showrestore", done.pk).out


def test_one_that_is_missing_is_named_escaped(devices: Path, back_up: BackUp) -> None:
    devices.unlink()
    with pytest.raises(Exception, match="does not exist") as raised:
        back_up()
    assert SHOWN in str(raised.value)
    assert SHOWN in BackupExecution.objects.get().error_message


def test_an_optional_one_that_is_missing_leaves_a_manifest_that_can_be_read(
    devices: Path, back_up: BackUp, declare: Declare, tacacs_root: Path
) -> None:
    declare(
        f'[tacacs-hq]\nkind = "tacacs"\nroot = "{tacacs_root}"\nconfig = "config/tacacs.conf"\noptional = ["devices"]\n'
    )
    devices.unlink()
    backup = back_up()
    assert SHOWN in " ".join(backup.warnings)
    assert drill(backup, by="tests").verdict == "passed"


def test_a_table_whose_name_is_not_utf8_is_shown_escaped(tmp_path: Path, declare: Declare, back_up: BackUp) -> None:
    root = tmp_path / "shop"
    root.mkdir()
    made = ("CREATE TABLE plain(x)", "CREATE TABLE tabAA(a)", "INSERT INTO tabAA VALUES (1)")
    live = renamed(make(root / "orders.db", *made), tabAA=b"tab\xe4\xe4")
    declare(
        f'[shop]\nkind = "generic"\nroot = "{root}"\n[shop.components.orders]\nkind = "sqlite"\npath = "orders.db"\n'
    )
    content = live.read_bytes()
    backup = back_up("shop")
    (entry,) = backup.manifest_json["contents"]
    assert [item["table"] for item in entry["not_counted"]] == [r"tab\udce4\udce4"]
    assert "not_checked" not in entry
    change(live, "INSERT INTO plain VALUES (1)")
    restore(backup)
    assert live.read_bytes()[4096:] == content[4096:]
    assert r"tab\udce4\udce4" in answered(a_client(*PERMISSIONS), url(backup))
