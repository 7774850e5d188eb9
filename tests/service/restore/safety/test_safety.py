"""Where safety backups go, when they cannot be made, and how long they stay."""

import json
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.errors import BackupError
from backups.models import BackupExecution, RestoreExecution
from backups.service.restore.ending.restart import acknowledge
from backups.service.restore.start import start_undo
from destinations.models import BackupDestination
from tests.support.databases.sqlite_files import exclusively_locked
from tests.support.file_systems import small_disk
from tests.support.restores.instance_restores import TACACS_DATABASES, restore, the_restore, tree, undo
from tests.support.site_fixtures import BackUp, Listing

pytestmark = pytest.mark.django_db


def test_a_locked_database_makes_the_safety_backup_impossible_and_nothing_is_changed(
    tacacs_root: Path, back_up: BackUp, workspaces: Listing
) -> None:
    backup = back_up()
    with exclusively_locked(tacacs_root / TACACS_DATABASES["audit"]):
        before = tree(tacacs_root)
        with pytest.raises(BackupError) as refused:
            restore(backup, components=["users"])
        assert tree(tacacs_root) == before
    assert refused.value.message == (
        f"The safety backup failed: {tacacs_root}/data/audit_trail.db stayed locked by another process for 1 s."
    )
    row = the_restore()
    assert (row.status, row.outcome, row.safety_backup) == ("failed", {}, None)
    assert workspaces() == []
    with pytest.raises(BackupError, match=r"changed nothing, so there is nothing to undo\.$"):
        start_undo(row, by="tests")


def test_a_full_destination_makes_the_safety_backup_impossible_and_nothing_is_changed(
    tacacs_root: Path, back_up: BackUp, home: Path, settings: Settings, tmp_path: Path, workspaces: Listing
) -> None:
    backup = back_up()
    with small_disk(tmp_path / "small", megabytes=0.1) as small:
        full = BackupDestination(name="full", type="local", created_by="tests")
        settings.BACKUP_ROOT.joinpath("full").symlink_to(small)
        full.configure({})
        full.save()
        settings.BACKUP_SAFETY_DESTINATION = "full"
        before = tree(tacacs_root)
        with pytest.raises(BackupError, match=r"^The safety backup failed: "):
            restore(backup)
        assert tree(tacacs_root) == before
        assert not [path for path in small.rglob("*") if path.is_file()]
    safety = BackupExecution.objects.get(kind="safety")
    assert (the_restore().status, safety.status, workspaces()) == ("failed", "failed", [])


@pytest.mark.parametrize(("name", "enabled"), [("nowhere", True), ("off", False)])
def test_a_safety_destination_that_cannot_be_used_is_named(
    name: str, enabled: bool, tacacs_root: Path, back_up: BackUp, settings: Settings
) -> None:
    backup = back_up()
    BackupDestination.objects.create(name="off", type="local", created_by="tests", enabled=enabled)
    settings.BACKUP_SAFETY_DESTINATION = name
    with pytest.raises(
        BackupError, match=rf"BACKUP_SAFETY_DESTINATION names {name}, which is not an enabled destination\.$"
    ):
        restore(backup)


def test_without_any_destination_one_is_made_for_the_safety_backup(
    tacacs_root: Path, back_up: BackUp, destination: BackupDestination, home: Path, tmp_path: Path
) -> None:
    backup = back_up()
    archive = tmp_path / "archive.tar.gz"
    (home / "backups" / "nas" / backup.backup_path).rename(archive)
    BackupExecution.objects.all().delete()
    BackupDestination.objects.all().delete()
    restored = restore(archive, accept_unsigned=True)
    assert restored.safety_backup is not None
    assert (restored.safety_backup.destination.name, restored.safety_backup.destination.type) == ("safety", "local")


def test_the_safety_backup_is_pinned_until_somebody_says_that_the_restore_was_good(
    tacacs_root: Path, back_up: BackUp
) -> None:
    restored = restore(back_up())
    safety = restored.safety_backup
    assert safety is not None
    assert (safety.kind, safety.status, safety.pinned) == ("safety", "completed", True)
    assert safety.pin_reason == f"safety backup of restore {restored.pk}, until that is acknowledged"
    marker = tacacs_root / "data" / "restart-required.json"
    content = json.loads(marker.read_text())
    assert (content["instance"], content["restore"]) == ("tacacs-hq", restored.pk)
    acknowledge(restored, by="alice")
    safety.refresh_from_db()
    restored.refresh_from_db()
    assert (safety.pinned, safety.pin_reason, marker.exists()) == (False, "", False)
    assert (restored.acknowledged_by, restored.acknowledged_at is None) == ("alice", False)


def test_a_later_restore_keeps_the_mark_when_an_earlier_one_is_acknowledged(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    first, second = restore(backup), restore(backup)
    marker = tacacs_root / "data" / "restart-required.json"
    acknowledge(first, by="alice")
    assert json.loads(marker.read_text())["restore"] == second.pk
    acknowledge(second, by="alice")
    assert not marker.exists()
    assert RestoreExecution.objects.exclude(acknowledged_by="alice").count() == 0


def test_a_good_undo_settles_what_it_undid(tacacs_root: Path, back_up: BackUp) -> None:
    first = restore(back_up())
    acknowledge(undo(first), by="alice")
    first.refresh_from_db()
    assert first.safety_backup is not None
    first.safety_backup.refresh_from_db()
    assert (first.acknowledged_by, first.safety_backup.pinned) == ("alice", False)
