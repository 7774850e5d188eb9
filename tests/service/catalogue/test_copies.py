"""An archive that is recorded for one destination and found or imported at another one is a copy of the same backup."""

import shutil
from pathlib import Path

import pytest
from django.utils import timezone

from backups.models import BackupExecution
from backups.service.catalogue.import_file import import_archive
from backups.service.catalogue.sync import import_backups
from backups.service.retention.plan import plan_prune
from destinations.models import BackupDestination
from tests.support.archives.stored import NOW, file_of, folder_of, put, stored
from tests.support.call_commands import command
from tests.support.rows import a_copy, a_destination

pytestmark = pytest.mark.django_db


@pytest.fixture
def backup(destination: BackupDestination) -> BackupExecution:
    return stored(destination)


@pytest.fixture
def vault(home: Path) -> BackupDestination:
    return a_destination("vault")


def state(backup: BackupExecution) -> dict[str, str]:
    return {copy.destination.name: copy.condition for copy in backup.copies.select_related("destination")}


def test_an_archive_found_at_another_destination_is_attached(backup: BackupExecution, vault: BackupDestination) -> None:
    put(vault, "app/moved-by-hand.tar.gz", file_of(backup).read_bytes())
    done = import_backups(vault, by="tests")
    assert ([row.pk for row in done.attached], done.adopted) == ([backup.pk], [])
    assert BackupExecution.objects.count() == 1
    assert state(backup) == {"nas": "stored", "vault": "stored"}
    copy = backup.copies.get(destination=vault)
    assert (copy.path, copy.sha256, copy.verified_by) == ("app/moved-by-hand.tar.gz", backup.archive_sha256, "import")
    backup.refresh_from_db()
    assert (backup.copies_state, backup.destination.name) == ("all", "nas")
    vault.refresh_from_db()
    assert vault.established
    # it counts once at each of them, and a second look changes nothing
    assert len(plan_prune(vault, NOW).entries) == 1
    assert import_backups(vault, by="tests").attached == []
    assert command("importbackups", "vault", "--json").data["attached"] == []


def test_a_backup_that_only_its_lost_place_knows_is_there_again(
    backup: BackupExecution, vault: BackupDestination
) -> None:
    put(vault, backup.backup_path, file_of(backup).read_bytes())
    file_of(backup).unlink()
    put(backup.destination, "keep.tar.gz", b"x")
    import_backups(backup.destination, by="tests")
    backup.refresh_from_db()
    assert backup.is_missing
    import_backups(vault, by="tests")
    backup.refresh_from_db()
    assert (backup.is_missing, backup.destination.name) == (False, "vault")


def test_a_copy_that_had_failed_there_is_the_one_that_was_found(
    backup: BackupExecution, vault: BackupDestination
) -> None:
    copy = a_copy(backup, vault, state="failed", path="", error="gone", next_try_at=timezone.now())
    put(vault, backup.backup_path, file_of(backup).read_bytes())
    import_backups(vault, by="tests")
    copy.refresh_from_db()
    assert (copy.condition, copy.error, copy.next_try_at) == ("stored", "", None)


def test_a_file_that_another_destination_lost_is_imported_as_a_copy(
    backup: BackupExecution, vault: BackupDestination, tmp_path: Path
) -> None:
    file = tmp_path / backup.backup_filename
    shutil.copyfile(file_of(backup), file)
    shutil.rmtree(folder_of(backup.destination))
    imported = import_archive(file, vault, by="tests")
    assert imported.pk == backup.pk
    assert BackupExecution.objects.count() == 1
    assert state(backup)["vault"] == "stored"


def test_a_copy_of_a_backup_is_not_taken_for_an_orphan_while_it_is_made(
    backup: BackupExecution, vault: BackupDestination
) -> None:
    copy = a_copy(backup, vault, state="uploading", path="")
    run = copy.runs.create(instance="app", triggered_by="tests", status="running")
    part = put(vault, f"app/manual/x.tar.gz.{copy.pk}.part", b"half")
    (partial,) = import_backups(vault, by="tests").scan.leftovers
    assert (partial.orphan, partial.reason) == (False, f"copy {run.pk} is running")
    run.status, run.completed_at = "failed", timezone.now() - 2 * (NOW - NOW.replace(day=30))
    run.save()
    assert len(import_backups(vault, by="tests").removed) == 1
    assert not part.exists()
