"""An archive that is not the confirmed one is refused."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.archive.errors import ArchiveError
from backups.errors import BackupError
from backups.models import BackupCopy, BackupExecution
from backups.service.restore.run import run_restore
from tests.support.archives.rewritten import Archive, refused
from tests.support.file_systems import small_disk
from tests.support.restores.instance_restores import change, queue, restore, sha256, tacacs_state
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db


@pytest.mark.usefixtures("untouched")
def test_an_archive_of_another_instance_needs_a_word(archive: Archive) -> None:
    archive.manifest["backup_metadata"] |= {"instance_name": "tacacs-lab", "instance_id": "instance_1"}
    assert refused(archive.write()) == "The archive is of instance tacacs-lab, not of tacacs-hq."


def test_an_archive_of_another_instance_is_restored_when_that_was_said(archive: Archive, tacacs_root: Path) -> None:
    before = tacacs_state(tacacs_root)
    archive.manifest["backup_metadata"] |= {"instance_name": "tacacs-lab", "instance_id": "instance_1"}
    change(tacacs_root / "data" / "devices.db", "DELETE FROM devices")
    restored = restore(archive.write(), accept_unsigned=True, allow_other_instance=True)
    assert tacacs_state(tacacs_root) == before
    assert restored.archive_instance == "tacacs-lab"


@pytest.mark.usefixtures("untouched")
def test_a_file_that_was_changed_after_it_was_confirmed_is_refused(archive: Archive) -> None:
    queued = queue(archive.write(), accept_unsigned=True)
    archive.manifest["backup_metadata"]["triggered_by"] = "mallory"
    archive.write()
    with pytest.raises(
        ArchiveError, match=r"archive\.tar\.gz is not the file that was confirmed: its SHA-256 differs\.$"
    ):
        run_restore(queued.pk)


@pytest.mark.usefixtures("untouched")
def test_another_archive_at_the_place_of_the_confirmed_one_is_refused(
    backup: BackupExecution, archive: Archive, home: Path
) -> None:
    archive.manifest["backup_metadata"]["triggered_by"] = "mallory"
    queued = queue(backup)
    shutil.copyfile(archive.write(), home / "backups" / "nas" / backup.backup_path)
    with pytest.raises(ArchiveError, match=r"is not what was uploaded: its SHA-256 differs\.?$"):
        run_restore(queued.pk)
    # somebody corrects the record too: it still is not what was confirmed
    queued = queue(backup)
    BackupExecution.objects.filter(pk=backup.pk).update(archive_sha256=sha256(archive.path))
    BackupCopy.objects.filter(execution=backup).update(sha256=sha256(archive.path), damaged_at=None)
    with pytest.raises(ArchiveError, match=r"is not the archive that was confirmed\.$"):
        run_restore(queued.pk)


@pytest.mark.usefixtures("untouched")
def test_a_preview_of_another_archive_confirms_nothing(backup: BackupExecution) -> None:
    with pytest.raises(BackupError, match=r"is not the archive that was shown\.$"):
        queue(backup, archive_sha256="0" * 64)


@pytest.mark.usefixtures("untouched")
def test_a_component_that_does_not_exist_is_refused_with_those_that_do(backup: BackupExecution) -> None:
    with pytest.raises(BackupError, match=r"^There is no component 'device' to restore\.$") as unknown:
        restore(backup, components=["device"])
    assert unknown.value.hint == (
        "Valid: config, devices, users, accounting, metrics, audit, config.file, config.overrides, config.section:NAME."
    )


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("megabytes", [0.05, 0.3, 0.9, 1.6, 2.2])
def test_a_workspace_that_is_too_small_is_named(
    megabytes: float, backup: BackupExecution, settings: Settings, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "small", megabytes=megabytes) as small:
        settings.BACKUP_WORKSPACE_ROOT = small
        with pytest.raises(BackupError, match=r"(bytes free, this needs about|No space left on device|no space left)"):
            restore(backup)
        assert list(small.iterdir()) == []
        BackupExecution.objects.filter(kind="safety").delete()


def test_a_database_of_another_version_of_the_service_comes_back_as_it_is_with_a_note(
    backup: BackupExecution, tacacs_root: Path
) -> None:
    before = tacacs_state(tacacs_root)
    change(
        tacacs_root / "data" / "devices.db",
        "ALTER TABLE devices ADD COLUMN rack TEXT",
        "ALTER TABLE realms ADD COLUMN colour TEXT",
        "CREATE TABLE racks(id INTEGER PRIMARY KEY)",
    )
    restored = restore(backup)
    assert restored.warnings == [
        "devices: the backup is of another version of the service: it does not have racks, devices.rack, realms.colour,"
        " which the live database has"
    ]
    assert tacacs_state(tacacs_root) == before


def test_components_that_only_the_archive_has_are_named(
    store: Path, back_up: BackUp, home: Path, declare: Callable[[str], None]
) -> None:
    backup = back_up("store")
    text = (home / "instances.toml").read_text()
    declare(text[: text.index("[store.components.settings]")])
    restored = restore(backup)
    assert restored.status == "completed"
    assert restored.warnings == ["The archive also holds settings, which instance store does not have."]
