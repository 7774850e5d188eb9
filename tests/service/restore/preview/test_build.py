"""What a restore would change and cost, worked out without the archive."""

import shutil
import time
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.archive.errors import ArchiveError
from backups.errors import BackupError
from backups.lib.filesystem.ownership import Ownership
from backups.service.restore.preview.build import preview
from tests.support.archives.crafted import SERVER_ENCRYPTED, SERVER_PASSPHRASE, SERVER_PLAIN
from tests.support.databases.sqlite_files import exclusively_locked
from tests.support.restores.component_restores import SERVER_SHA256, change, restore, state_of
from tests.support.restores.previews import part
from tests.support.site_fixtures import BackUp, Declare

pytestmark = pytest.mark.django_db


def test_it_says_what_the_archive_is_and_which_digest_is_confirmed(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    shown = preview(backup, "tacacs-hq")
    assert (shown.archive, shown.archive_sha256) == (backup.backup_filename, backup.archive_sha256)
    assert (shown.triggered_by, shown.kind, shown.application, shown.format) == (
        "tests", "manual", "backupsite 0.1.0", 1,
    )  # fmt: skip
    assert shown.taken_at == backup.started_at
    assert shown.age is not None
    assert 0 < shown.age.total_seconds() < 60
    assert shown.size_bytes == backup.size_bytes


def test_it_needs_no_archive_however_large_and_no_destination(tacacs_root: Path, home: Path, back_up: BackUp) -> None:
    backup = back_up()
    (home / "backups").rename(home / "offline")
    started = time.process_time()
    shown = preview(backup, "tacacs-hq")
    assert time.process_time() - started < 2
    assert part(shown, "config").notes == ()


def test_missing_damaged_and_locked_files_are_said(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    data = tacacs_root / "data"
    as_it_was = Ownership.of((data / "devices.db").stat())
    (data / "devices.db").unlink()
    (data / "local_auth.db").write_bytes(b"no database" * 500)
    with exclusively_locked(data / "audit_trail.db"):
        shown = preview(backup, "tacacs-hq")
    assert {found.name: (found.state, found.notes) for found in shown.components if found.state != "present"} == {
        "devices": ("missing", (f"{data}/devices.db does not exist now and will be created with {as_it_was}.",)),
        "users": ("damaged", (f"{data}/local_auth.db is not a SQLite database. It will be replaced.",)),
        "audit": ("unreadable", (f"{data}/audit_trail.db stayed locked by another process for 1 s.",)),
    }
    assert shown.loss == "Nothing is known to be lost. What users and audit would lose is unknown."


def test_a_tree_that_is_missing_is_said(shop: Path, back_up: BackUp) -> None:
    backup = back_up("shop")
    shutil.rmtree(shop / "uploads")
    assert part(preview(backup, "shop"), "uploads").notes == (
        f"{shop}/uploads does not exist now and will be created.",
    )


def test_what_is_not_in_the_backup_cannot_be_selected(shop: Path, back_up: BackUp) -> None:
    shutil.rmtree(shop / "uploads")
    backup = back_up("shop")
    uploads = part(preview(backup, "shop"), "uploads")
    assert (uploads.selectable, uploads.selected) == (False, False)
    assert uploads.reason == f"it is not in the backup: {shop}/uploads does not exist."
    with pytest.raises(BackupError) as refused:
        preview(backup, "shop", ["uploads"])
    assert refused.value.hint == "Valid: orders."


def test_an_archive_of_another_instance_and_an_invalid_configuration_are_refusals(
    tacacs_root: Path, declare: Declare, back_up: BackUp
) -> None:
    file = tacacs_root / "config" / "tacacs.conf"
    file.write_text(file.read_text().replace("port = 49\n", "port = 0\n"))
    backup = back_up()
    change(tacacs_root / "data" / "config_overrides.db", "UPDATE system_metadata SET value = 'instance_1'")
    declare(f'[tacacs-lab]\nkind="tacacs"\nroot="{tacacs_root}"\nconfig="config/tacacs.conf"\n')
    shown = preview(backup, "tacacs-lab")
    assert shown.refusals == (
        "The archive is of instance tacacs-hq, not of tacacs-lab.",
        "The configuration is not valid: [server] port is not between 1 and 65535.",
    )


def test_an_undo_shows_what_the_safety_backup_brings_back_and_takes_away(shop: Path, back_up: BackUp) -> None:
    backup = back_up("shop")
    shutil.rmtree(shop / "uploads")
    change(shop / "orders.db", "DELETE FROM orders")
    done = restore(backup)
    assert done.safety_backup is not None
    shown = preview(done.safety_backup, "shop", undo_of=done)
    assert shown.loss == "At least 10 orders rows and all of uploads will be gone."
    assert part(shown, "uploads").notes == ("uploads did not exist when the backup was made and will be removed.",)


def test_the_servers_own_archives_are_previewed_like_ours(tacacs_root: Path, home: Path, settings: Settings) -> None:
    settings.BACKUP_ENCRYPTION_PASSPHRASE = SERVER_PASSPHRASE
    change(tacacs_root / "data" / "local_auth.db", "DELETE FROM local_users WHERE id = 1")
    for file in (SERVER_PLAIN, SERVER_ENCRYPTED):
        shown = preview(file, "tacacs-hq")
        assert (shown.application, shown.format, shown.triggered_by) == ("TACACS+ server 0.1.0", 0, "ceo")
        assert part(shown, "users").loss == "1 users row that is not there now will be back"
        assert part(shown, "config").notes == ()
    assert preview(SERVER_PLAIN, "tacacs-hq").archive_sha256 == SERVER_SHA256


def test_a_file_that_is_no_archive_is_one_error(tacacs_root: Path, home: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no archive")
    with pytest.raises(ArchiveError, match="not compressed with gzip or zstd"):
        preview(tmp_path / "notes.txt", "tacacs-hq")
    with pytest.raises(ArchiveError, match="cannot be read: No such file or directory"):
        preview(tmp_path / "gone.tar.gz", "tacacs-hq")


def test_nothing_is_changed(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    (tacacs_root / "data" / "devices.db").unlink()
    before = state_of(tacacs_root)
    preview(backup, "tacacs-hq")
    assert state_of(tacacs_root) == before
