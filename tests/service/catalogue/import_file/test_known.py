"""Copies of archives that this site knows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backups.errors import BackupError
from backups.models import BackupExecution
from backups.service.catalogue import import_file
from destinations.models import BackupDestination
from tests.support.archives.imported_files import take
from tests.support.archives.stored import NOW, file_of, folder_of
from tests.support.rows import recopied
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db
Files = Callable[[], list[str]]


def test_the_same_archive_is_imported_once(destination: BackupDestination, usb: Path, archives: Files) -> None:
    first = take(usb, destination)
    with pytest.raises(BackupError, match=f"is stored already: backup {first.pk} at nas"):
        take(usb, destination)
    assert (len(archives()), BackupExecution.objects.count()) == (1, 1)


def test_a_backup_of_ours_that_is_still_there_is_not_imported_again(
    tacacs_root: Path, destination: BackupDestination, back_up: BackUp
) -> None:
    made = back_up()
    with pytest.raises(BackupError, match=f"is stored already: backup {made.pk} at nas"):
        take(file_of(made), destination)


@pytest.mark.parametrize("columns", [{"deleted_at": NOW}, {"status": "failed", "backup_path": ""}])
def test_the_copy_of_a_backup_that_was_deleted_is_taken_in(
    destination: BackupDestination, usb: Path, columns: dict[str, Any]
) -> None:
    first = take(usb, destination)
    file_of(first).unlink()
    BackupExecution.objects.update(**columns)
    recopied()
    assert take(usb, destination).pk != first.pk


def test_the_copy_of_a_backup_that_its_destination_lost_brings_its_row_back_before_it_is_marked(
    destination: BackupDestination, usb: Path
) -> None:
    first = take(usb, destination)
    file_of(first).unlink()
    second = take(usb, destination)
    assert (second.pk, second.backup_path) == (first.pk, first.backup_path)
    assert file_of(second).exists() and BackupExecution.objects.count() == 1


def test_the_copy_of_a_backup_known_to_be_missing_brings_its_row_back(
    destination: BackupDestination, usb: Path
) -> None:
    first = take(usb, destination)
    file_of(first).unlink()
    BackupExecution.objects.update(missing_at=NOW, pinned=True, pin_reason="audit")
    recopied()
    second = take(usb, destination)
    row = BackupExecution.objects.get()
    assert (second.pk, row.pk, row.missing_at, row.pinned) == (first.pk, first.pk, None, True)
    assert row.backup_path == first.backup_path and row.verified_at > first.verified_at
    assert file_of(row).exists()


def test_an_import_that_is_interrupted_after_its_row_was_brought_back_keeps_the_archive(
    destination: BackupDestination, usb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_of(take(usb, destination)).unlink()
    real = import_file.record_moved

    def interrupted(*args: Any, **columns: Any) -> bool:
        real(*args, **columns)
        raise KeyboardInterrupt

    monkeypatch.setattr(import_file, "record_moved", interrupted)
    with pytest.raises(KeyboardInterrupt):
        take(usb, destination)
    assert file_of(BackupExecution.objects.get()).exists()


def test_a_copy_is_taken_in_elsewhere_while_its_destination_cannot_be_reached(
    destination: BackupDestination, usb: Path
) -> None:
    take(usb, destination)
    folder_of(destination).rename(folder_of(destination).with_name("unplugged"))
    other = BackupDestination(name="offsite", type="local")
    other.configure({})
    other.save()
    copy = take(usb, other).copies.get(destination=other)
    assert (folder_of(other) / copy.path).exists()
    assert BackupExecution.objects.count() == 1
