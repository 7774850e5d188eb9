"""Files that are refused, and imports that fail: nothing is left."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from pytest_django import Settings

from backups.archive.errors import ArchiveError
from backups.errors import BackupError
from backups.models import BackupExecution
from backups.service.catalogue import import_file
from backups.service.catalogue.import_file import import_archive
from destinations.backends.local import LocalDestination
from destinations.backends.local.folder import Folder
from destinations.exceptions import DestinationError, DestinationFull
from destinations.models import BackupDestination
from tests.support.archives.crafted import SERVER_ENCRYPTED, SERVER_PASSPHRASE
from tests.support.archives.imported_files import take
from tests.support.archives.stored import an_archive, file_of
from tests.support.rows import a_user

pytestmark = pytest.mark.django_db
Files = Callable[[], list[str]]


def test_an_encrypted_archive_without_its_passphrase_is_refused(
    destination: BackupDestination, archives: Files
) -> None:
    with pytest.raises(ArchiveError, match="is encrypted and no passphrase is configured"):
        take(SERVER_ENCRYPTED, destination)
    assert archives() == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-60], "truncated"),
        (lambda data: data[:200] + bytes([data[200] ^ 4]) + data[201:], "damaged|SHA-256|manifest.json"),
        (lambda data: b"", "empty"),
        (lambda data: b"PK\x03\x04 a zip file", "is not compressed with gzip or zstd"),
        (lambda data: an_archive("../evil"), "names the instance '../evil'"),
    ],
    ids=["cut", "bit", "empty", "zip", "name"],
)
def test_what_would_not_restore_is_refused_and_leaves_nothing(
    destination: BackupDestination,
    usb: Path,
    archives: Files,
    workspaces: Files,
    damage: Callable[[bytes], bytes],
    message: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    usb.write_bytes(damage(usb.read_bytes()))
    with pytest.raises((ArchiveError, BackupError), match=message):
        import_archive(usb, destination, by=a_user())
    assert archives() == workspaces() == [] and not BackupExecution.objects.exists()
    assert "archive.import-refused" in caplog.text and "by=bob" in caplog.text
    assert "refused" in LogEntry.objects.get().get_change_message()


def test_a_database_that_is_damaged_inside_a_correct_archive_is_refused(
    destination: BackupDestination, tmp_path: Path, archives: Files
) -> None:
    path = tmp_path / "wrong.tar.gz"
    path.write_bytes(an_archive(rows=3, counted=4))
    with pytest.raises(BackupError, match="does not hold the rows that the manifest counts: orders"):
        take(path, destination)
    assert archives() == []


def test_a_destination_for_encrypted_archives_takes_no_plain_one(
    destination: BackupDestination, usb: Path, archives: Files, settings: Settings
) -> None:
    destination.encryption = "required"
    destination.save()
    with pytest.raises(BackupError, match="nas takes encrypted archives only"):
        take(usb, destination)
    assert archives() == []
    settings.BACKUP_ENCRYPTION_PASSPHRASE = SERVER_PASSPHRASE
    assert file_of(take(SERVER_ENCRYPTED, destination)).exists()


def test_a_disabled_destination_imports_nothing(destination: BackupDestination, usb: Path, archives: Files) -> None:
    destination.enabled = False
    with pytest.raises(BackupError, match="Destination nas is disabled"):
        take(usb, destination)
    assert archives() == []


def test_a_failing_upload_leaves_no_row(
    destination: BackupDestination, usb: Path, monkeypatch: pytest.MonkeyPatch, archives: Files
) -> None:
    monkeypatch.setattr(Folder, "free_space", lambda self: 10)
    with pytest.raises(DestinationFull):
        take(usb, destination)
    assert archives() == []


def test_an_archive_that_cannot_be_recorded_is_not_left_behind(
    destination: BackupDestination, usb: Path, monkeypatch: pytest.MonkeyPatch, archives: Files
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the database is gone")

    monkeypatch.setattr(import_file, "complete_import", fail)
    with pytest.raises(RuntimeError):
        take(usb, destination)
    assert archives() == [] and not BackupExecution.objects.exists()


def test_a_file_that_changes_after_it_was_verified_is_not_stored(
    destination: BackupDestination, usb: Path, monkeypatch: pytest.MonkeyPatch, archives: Files
) -> None:
    real = LocalDestination.put

    def put_later(self: LocalDestination, source: Any, path: str, **options: Any) -> Any:
        usb.write_bytes(an_archive("wiki", backup_type="scheduled"))
        return real(self, source, path, **options)

    monkeypatch.setattr(LocalDestination, "put", put_later)
    with pytest.raises(DestinationError):
        take(usb, destination)
    assert archives() == []


@pytest.mark.parametrize(("name", "message"), [("absent", "is not a file"), (".", "is not a file")])
def test_a_path_that_is_no_file_is_named(
    destination: BackupDestination, tmp_path: Path, name: str, message: str
) -> None:
    with pytest.raises(ArchiveError, match=message):
        take(tmp_path / name, destination)
