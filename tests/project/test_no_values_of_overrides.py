"""Overrides with bytes of any kind are backed up and shown; errors tell their place and never their content."""

import json
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.errors import BackupError
from backups.instances import get_instance
from backups.models import BackupExecution, RestoreExecution
from tests.project.test_no_secrets import database
from tests.support.call_commands import command
from tests.support.pages.all_pages import pages
from tests.support.restores.instance_restores import change, restore, undo
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db(transaction=True)
CANARY = "Canary-77"
RAW = b"Canary-77-K\xe4c"
INSERT = (
    "INSERT INTO config_overrides(section, key, value, value_type, created_by, active)"
    " VALUES ({section}, {key}, {value}, 'string', 'admin', 1)"
)
OVERRIDES = "data/config_overrides.db"


def override(root: Path, value: str, *, section: str = "ldap", key: str = "bind_password") -> None:
    """Insert an override; `value` is an expression of SQL."""
    change(root / OVERRIDES, INSERT.format(section=f"'{section}'", key=f"'{key}'", value=value))


@pytest.fixture
def raw(tacacs_root: Path) -> Path:
    """Return the root of an instance with a password that is no UTF-8."""
    override(tacacs_root, f"CAST(x'{RAW.hex()}' AS TEXT)")
    return tacacs_root


def stored(root: Path) -> list[tuple[str, bytes]]:
    with closing(sqlite3.connect(root / OVERRIDES)) as live:
        live.text_factory = bytes
        found = live.execute(
            "SELECT typeof(value), value FROM config_overrides WHERE active AND key = 'bind_password' ORDER BY id"
        ).fetchall()
    return [(kind.decode(), value) for kind, value in found]


def written(settings: Settings, capfd: pytest.CaptureFixture[str]) -> str:
    """Return every text that the program wrote: rows, log, terminal, and the pages of all runs."""
    backups, restores = "/admin/backups/backupexecution/", "/admin/backups/restoreexecution/"
    addresses = ["/admin/", backups, restores, "/admin/backups/instances/tacacs-hq/"]
    for pk in BackupExecution.objects.values_list("pk", flat=True):
        addresses += [f"{backups}{pk}/change/"]
    for pk in BackupExecution.objects.filter(status="completed").values_list("pk", flat=True):
        addresses += [f"{backups}{pk}/restore/"]
    addresses += [f"{restores}{pk}/change/" for pk in RestoreExecution.objects.values_list("pk", flat=True)]
    log = Path(settings.LOG_FILE)
    texts = [database(), log.read_text() if log.exists() else "", *capfd.readouterr(), pages(*addresses)]
    return "\n".join(texts)


def test_an_override_that_is_not_utf8_is_backed_up_and_its_bytes_come_back(
    raw: Path, back_up: BackUp, settings: Settings, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    backup = back_up()

    assert backup.status == "completed"
    (warning,) = [text for text in backup.warnings if "UTF-8" in text]
    assert warning.startswith("the override of [ldap] bind_password is not UTF-8 text")
    with tarfile.open(settings.BACKUP_ROOT / "nas" / backup.backup_path) as archive:
        exported = archive.extractfile("config_export.json")
        assert exported is not None
        assert json.load(exported)["ldap"]["bind_password"] == RAW.decode(errors="surrogateescape")
    texts = written(settings, capfd) + command("listbackups", "--json").out + command("showbackup", backup.pk).out

    for parts in (["config.overrides"], ["config.section:ldap"], ["config"]):
        change(raw / OVERRIDES, "UPDATE config_overrides SET value = 'other' WHERE key = 'bind_password'")
        done = restore(backup, components=parts)
        assert stored(raw)[-1] == ("text", RAW), parts
        undo(done)
        assert stored(raw)[-1] == ("text", b"other")
        assert command("restore", backup.pk, "--dry-run").code == 0
    texts += written(settings, capfd)
    assert CANARY not in texts and "77-K" not in texts


def test_an_override_that_is_a_blob_is_taken_as_its_bytes(tacacs_root: Path, back_up: BackUp) -> None:
    override(tacacs_root, f"x'{RAW.hex()}'")
    backup = back_up()
    change(tacacs_root / OVERRIDES, "DELETE FROM config_overrides WHERE key = 'bind_password'")
    restore(backup, components=["config.section:ldap"])
    assert stored(tacacs_root)[-1] == ("blob", RAW)
    live = get_instance("tacacs-hq").service.live().merged
    assert live["ldap"]["bind_password"] == RAW.decode(errors="surrogateescape")


def test_names_that_are_not_utf8_can_be_shown(
    tacacs_root: Path, back_up: BackUp, settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    names = {"section": "CAST(x'6ce4' AS TEXT)", "key": "CAST(x'6be4' AS TEXT)"}
    change(tacacs_root / OVERRIDES, INSERT.format(**names, value="CAST(x'76e4' AS TEXT)"))
    backup = back_up()
    change(tacacs_root / OVERRIDES, "UPDATE config_overrides SET active = 0")
    assert "[l\\udce4] k\\udce4" in " ".join(backup.warnings)
    assert "l\\udce4" in written(settings, capfd)


def test_a_path_that_is_not_utf8_and_outside_of_the_root_is_refused_by_its_key(raw: Path, back_up: BackUp) -> None:
    override(raw, f"CAST(x'{b'../'.hex()}{RAW.hex()}' AS TEXT)", section="devices", key="database")
    with pytest.raises(BackupError, match=r"^\[devices\] database lies outside the root ") as raised:
        back_up()
    assert CANARY not in raised.value.text
