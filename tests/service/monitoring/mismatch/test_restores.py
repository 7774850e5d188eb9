"""Restores and undos of a service that uses another database than its configuration names."""

import shutil
from pathlib import Path

import pytest

from backups.errors import BackupError
from backups.service.restore.dry_run import dry_run_restore
from backups.service.restore.preview.build import preview
from backups.service.restore.request import RestoreRequest
from tests.support.processes.database_server import VARIABLE, server
from tests.support.restores.instance_restores import change, restore, sha256, the_restore, undo
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db


def test_a_restore_into_a_database_that_the_server_does_not_use_is_refused_and_changes_nothing(
    root: Path, other: Path, back_up: BackUp
) -> None:
    backup = back_up()
    change(root / "data/devices.db", "DELETE FROM devices")
    before = sha256(root / "data/devices.db")
    with server(root / "data/local_auth.db", other, cwd=root, TACACS_DEVICES_DATABASE=other):
        with pytest.raises(BackupError, match=VARIABLE):
            restore(backup, components=["devices"])
        assert the_restore().safety_backup is None
        with pytest.raises(BackupError, match=VARIABLE):
            dry_run_restore(
                RestoreRequest(
                    source=backup, instance="tacacs-hq", archive_sha256=backup.archive_sha256, components=["devices"]
                )
            )
        shown = preview(backup, "tacacs-hq", ["devices"])
        assert [VARIABLE in text for text in shown.refusals] == [True]
        # what is not restored is no reason to stop, but said
        assert preview(backup, "tacacs-hq", ["audit"]).refusals == ()
        done = restore(backup, components=["audit"])
        assert any(VARIABLE in text for text in done.warnings)
    assert sha256(root / "data/devices.db") == before


def test_a_restore_of_an_older_configuration_may_move_a_database(root: Path, back_up: BackUp) -> None:
    """The server has the present file open, and will have the one of the restored configuration."""
    conf = root / "config/tacacs.conf"
    text = conf.read_text()
    conf.write_text(text.replace("[devices]", "[devices]\ndatabase = data/devices.db"))
    backup = back_up()
    (root / "new").mkdir()
    shutil.copy(root / "data/devices.db", root / "new/devices.db")
    conf.write_text(text.replace("[devices]", "[devices]\ndatabase = new/devices.db"))
    with server(root / "data/local_auth.db", root / "new/devices.db", cwd=root):
        done = restore(backup, components=["config", "devices"])
    assert (done.status, [text for text in done.warnings if "devices:" in text]) == ("completed", [])


def test_an_undo_goes_where_the_restore_went_and_warns(root: Path, other: Path, back_up: BackUp) -> None:
    done = restore(back_up(), components=["devices"])
    with server(root / "data/local_auth.db", other, cwd=root, TACACS_DEVICES_DATABASE=other):
        undone = undo(done)
    assert undone.status == "completed"
    assert any(VARIABLE in text for text in undone.warnings)
