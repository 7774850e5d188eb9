"""Missing archives: how they are noticed, and how their loss is accepted."""

import logging
from pathlib import Path

import pytest
from django.utils import timezone

from backups.errors import BackupError, NotDeletable
from backups.models import BackupExecution
from backups.service.archives.fetch import fetch
from backups.service.archives.records.delete import delete_backup
from backups.service.archives.records.loss import accept_loss
from backups.service.catalogue.sync import import_backups
from backups.service.drill.run import verify_backup
from backups.service.monitoring.lacking import flaws
from backups.service.monitoring.restore_points import restore_points_of
from destinations.exceptions import DestinationUnavailable, NotFound
from destinations.models import BackupDestination
from tests.support.archives.stored import an_archive, daily, file_of, folder_of, put, stored
from tests.support.call_commands import command, refused
from tests.support.rows import an_execution, recopied

pytestmark = pytest.mark.django_db


@pytest.fixture
def lost(destination: BackupDestination) -> BackupExecution:
    backup = stored(destination)
    file_of(backup).unlink()
    BackupExecution.objects.update(missing_at=timezone.now())
    recopied()
    backup.refresh_from_db()
    return backup


def accept(backup: BackupExecution) -> BackupExecution:
    accept_loss(backup, by="alice", reason="the disk died")
    return BackupExecution.objects.get(pk=backup.pk)


def test_what_cannot_be_fetched_because_it_is_gone_is_marked_as_missing(
    destination: BackupDestination, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    backup = stored(destination)
    put(destination, "app/manual/other.tar.gz", b"x")
    file_of(backup).unlink()
    with pytest.raises(NotFound):
        verify_backup(backup, by="tests")
    row = BackupExecution.objects.get()
    assert (row.is_missing, row.status) == (True, "completed")
    assert "backup.missing" in caplog.text
    with pytest.raises(BackupError, match="has no archive: it is missing"):
        fetch(row, tmp_path)


def test_a_destination_that_does_not_answer_marks_nothing(destination: BackupDestination) -> None:
    backup = stored(destination)
    BackupDestination.objects.update(established=True)
    folder_of(destination).rename(folder_of(destination).with_name("unplugged"))
    with pytest.raises(DestinationUnavailable):
        verify_backup(BackupExecution.objects.get(pk=backup.pk), by="tests")
    assert not BackupExecution.objects.get().is_missing


def test_an_accepted_loss_is_a_deletion_with_name_and_reason(
    lost: BackupExecution, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "backups")
    assert flaws().missing == {"app": 1}
    row = accept(lost)
    assert (row.deleted_by, row.deleted_reason, row.has_archive) == ("alice", "lost: the disk died", False)
    assert flaws().missing == {}
    assert "backup.loss-accepted" in caplog.text and "by=alice" in caplog.text


def test_one_that_is_there_again_is_no_loss(lost: BackupExecution, destination: BackupDestination) -> None:
    put(destination, lost.backup_path, bytes(lost.compressed_size_bytes or 0))
    with pytest.raises(NotDeletable, match="is at nas again"):
        accept(lost)
    row = BackupExecution.objects.get()
    assert (row.missing_at, row.deleted_at) == (None, None)
    assert file_of(row).exists()


def test_a_file_of_another_size_in_its_place_is_no_return(
    lost: BackupExecution, destination: BackupDestination
) -> None:
    put(destination, lost.backup_path, b"")
    row = accept(lost)
    assert row.deleted_reason == "lost: the disk died (a file of 0 bytes is in its place)"
    assert (row.has_archive, file_of(lost).exists()) == (False, True)


def test_a_file_in_the_place_of_an_archive_of_unknown_size_may_be_the_archive(
    lost: BackupExecution, destination: BackupDestination
) -> None:
    BackupExecution.objects.update(compressed_size_bytes=None)
    recopied()
    put(destination, lost.backup_path, b"whatever")
    with pytest.raises(NotDeletable, match="is at nas again"):
        accept(BackupExecution.objects.get())


def test_a_destination_that_died_does_not_keep_its_losses_open(
    lost: BackupExecution, destination: BackupDestination
) -> None:
    BackupDestination.objects.update(established=True)
    folder_of(destination).rename(folder_of(destination).with_name("dead"))
    assert accept(BackupExecution.objects.get(pk=lost.pk)).deleted_reason == (
        "lost: the disk died (its destination did not answer)"
    )


def test_what_is_stored_or_pinned_is_not_accepted_as_lost(lost: BackupExecution) -> None:
    with pytest.raises(NotDeletable, match="is not missing"):
        accept(an_execution())
    BackupExecution.objects.filter(pk=lost.pk).update(pinned=True, pin_reason="audit")
    with pytest.raises(NotDeletable, match="is pinned: audit"):
        accept(BackupExecution.objects.get(pk=lost.pk))


def test_an_accepted_one_that_turns_up_is_adopted_anew(lost: BackupExecution, destination: BackupDestination) -> None:
    accept(lost)
    put(destination, lost.backup_path, an_archive())
    (found,) = import_backups(destination, by="tests").adopted
    assert (found.pk != lost.pk, found.has_archive) == (True, True)
    assert BackupExecution.objects.get(pk=lost.pk).deleted_by == "alice"


def test_who_deleted_an_archive_is_kept(destination: BackupDestination) -> None:
    delete_backup(stored(destination), by="alice", reason="no longer needed")
    row = BackupExecution.objects.get()
    assert (row.deleted_by, row.deleted_reason) == ("alice", "no longer needed")
    assert command("showbackup", row.pk, "--json").data["deleted_by"] == "alice"


def test_restore_points_are_counted_for_each_instance(destination: BackupDestination) -> None:
    rows = daily(destination, 4)
    BackupExecution.objects.filter(pk=rows[0].pk).update(missing_at=timezone.now())
    BackupExecution.objects.filter(pk=rows[3].pk).update(deleted_at=timezone.now())
    recopied()
    points = restore_points_of("app")
    assert (points.number, points.oldest, points.missing) == (2, rows[2].created_at, 1)
    assert (restore_points_of("none").number, restore_points_of("none").oldest) == (0, None)


def test_the_commands_accept_a_loss_and_list_by_what_became_of_archives(lost: BackupExecution) -> None:
    kept = an_execution()
    listed = {
        name: [row["id"] for row in command("listbackups", "--archive", name, "--json").data]
        for name in ("stored", "missing", "deleted")
    }
    assert listed == {"stored": [kept.pk], "missing": [lost.pk], "deleted": []}
    assert "is not missing" in refused("acceptloss", kept.pk, "--reason", "gone")
    done = command("acceptloss", lost.pk[:8], "--reason", "the disk died", "--json")
    assert (done.code, done.data["deleted_reason"]) == (0, "lost: the disk died")
    assert [row["id"] for row in command("listbackups", "--archive", "deleted", "--json").data] == [lost.pk]
