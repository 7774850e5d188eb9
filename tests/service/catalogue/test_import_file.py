"""Import of archive files from anywhere."""

import hashlib
import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone
from pytest_django import Settings

from backups.archive.age import generate_identity
from backups.archive.errors import ArchiveError
from backups.errors import BackupError
from backups.models import BackupExecution
from backups.service.archives.signatures import signature_state
from backups.service.catalogue import import_file
from backups.service.catalogue.import_file import import_archive
from backups.service.catalogue.sync import scan_destination
from backups.service.drill.run import verify_backup
from destinations.backends.folder import Folder
from destinations.backends.local import LocalDestination
from destinations.exceptions import DestinationError, DestinationFull
from destinations.models import BackupDestination
from tests.support.archives.crafted import SERVER_ENCRYPTED, SERVER_PASSPHRASE, SERVER_PLAIN
from tests.support.archives.stored import NOW, an_archive, file_of, folder_of, put, stored
from tests.support.rows import a_user
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db
Files = Callable[[], list[str]]


@pytest.fixture
def usb(tmp_path: Path) -> Path:
    """An archive on a stick, under a name that says nothing."""
    path = tmp_path / "from usb (1).bin"
    path.write_bytes(an_archive(backup_type="scheduled"))
    return path


def take(path: Path, destination: BackupDestination) -> BackupExecution:
    return import_archive(path, destination, by="tests")


def test_an_archive_file_is_verified_stored_under_its_name_and_recorded(
    destination: BackupDestination, usb: Path, archives: Files, workspaces: Files, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "backups")
    data = usb.read_bytes()
    execution = take(usb, destination)
    name = "backup-app-20260331-120000-scheduled.tar.gz"
    assert archives() == [f"nas/app/scheduled/{name}"]
    assert file_of(execution).read_bytes() == data == usb.read_bytes()
    row = BackupExecution.objects.get(pk=execution.pk)
    assert (row.backup_path, row.backup_filename) == (f"app/scheduled/{name}", name)
    assert (row.adopted, row.status, row.instance, row.kind, row.started_at) == (
        True,
        "completed",
        "app",
        "scheduled",
        NOW,
    )
    assert (row.archive_sha256, row.compressed_size_bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    assert row.comment == "imported" and row.verified_at is not None
    assert BackupDestination.objects.get().established
    assert workspaces() == []
    assert f"backup.adopted backup={row.pk}" in caplog.text and "by=tests" in caplog.text
    verify_backup(row, by="tests")
    found = scan_destination(BackupDestination.objects.get())
    assert (found.present, found.unknown, found.leftovers) == (1, [], [])


def test_an_archive_of_ours_comes_back_on_another_site(
    tacacs_root: Path, destination: BackupDestination, back_up: BackUp, tmp_path: Path
) -> None:
    made = back_up()
    copy = shutil.copy(file_of(made), tmp_path / "copy.tar.gz")
    file_of(made).unlink()
    BackupExecution.objects.all().delete()
    execution = take(Path(copy), destination)
    assert (execution.backup_path, execution.manifest_json) == (made.backup_path, made.manifest_json)


def test_the_servers_own_archives_are_taken_in_the_encrypted_one_as_it_is(
    destination: BackupDestination, settings: Settings, archives: Files
) -> None:
    plain = take(SERVER_PLAIN, destination)
    assert (plain.instance, plain.encryption, plain.compression) == ("tacacs-hq", "", "gzip")
    settings.BACKUP_ENCRYPTION_PASSPHRASE = SERVER_PASSPHRASE
    sealed = take(SERVER_ENCRYPTED, destination)
    assert sealed.encryption == "tcbk"
    assert file_of(sealed).read_bytes() == SERVER_ENCRYPTED.read_bytes()
    assert archives() == [
        "nas/tacacs-hq/manual/backup-tacacs-hq-20261123-014443-manual.tar.gz",
        "nas/tacacs-hq/manual/backup-tacacs-hq-20261123-014444-manual.tar.gz.enc",
    ]


def test_an_encrypted_archive_without_its_passphrase_is_refused(
    destination: BackupDestination, archives: Files
) -> None:
    with pytest.raises(ArchiveError, match="is encrypted and no passphrase is configured"):
        take(SERVER_ENCRYPTED, destination)
    assert archives() == [] and not BackupExecution.objects.exists()


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
    second = take(usb, destination)
    row = BackupExecution.objects.get()
    assert (second.pk, row.pk, row.missing_at, row.pinned) == (first.pk, first.pk, None, True)
    assert row.backup_path == first.backup_path and row.verified_at > first.verified_at
    assert file_of(row).exists()


def test_a_copy_is_taken_in_elsewhere_while_its_destination_cannot_be_reached(
    destination: BackupDestination, usb: Path
) -> None:
    take(usb, destination)
    folder_of(destination).rename(folder_of(destination).with_name("unplugged"))
    other = BackupDestination(name="offsite", type="local")
    other.configure({})
    other.save()
    assert file_of(take(usb, other)).exists()


def test_two_archives_of_one_instance_and_second_get_names_of_their_own(
    destination: BackupDestination, tmp_path: Path, archives: Files
) -> None:
    for rows in (1, 2, 3):
        path = tmp_path / f"{rows}.tar.gz"
        path.write_bytes(an_archive(rows=rows))
        take(path, destination)
    stem = "nas/app/manual/backup-app-20260331-120000-manual"
    assert archives() == [f"{stem}-2.tar.gz", f"{stem}-3.tar.gz", f"{stem}.tar.gz"]


def test_a_name_taken_by_an_unrecorded_file_is_left_alone(destination: BackupDestination, usb: Path) -> None:
    theirs = put(destination, "app/scheduled/backup-app-20260331-120000-scheduled.tar.gz", b"theirs")
    execution = take(usb, destination)
    assert execution.backup_filename.endswith("-scheduled-2.tar.gz")
    assert theirs.read_bytes() == b"theirs"


def test_the_signature_beside_a_file_goes_with_it_and_none_is_made_here(
    tacacs_root: Path, destination: BackupDestination, back_up: BackUp, tmp_path: Path, usb: Path
) -> None:
    made = back_up()
    copy = tmp_path / "copy.tar.gz"
    for suffix in ("", ".minisig"):
        shutil.copy(f"{file_of(made)}{suffix}", f"{copy}{suffix}")
        Path(f"{file_of(made)}{suffix}").unlink()
    BackupExecution.objects.all().delete()
    taken = take(copy, destination)
    assert signature_state(taken).state == "signed"
    assert signature_state(take(usb, destination)).state == "missing"
    file_of(taken).unlink()
    BackupExecution.objects.all().delete()
    shutil.copy(usb, copy)
    with pytest.raises(ArchiveError, match=r"copy\.tar\.gz is refused"):
        take(copy, destination)


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


def test_an_archive_of_ours_that_is_encrypted_keeps_its_name_and_its_bytes(
    tacacs_root: Path, destination: BackupDestination, back_up: BackUp, settings: Settings, tmp_path: Path
) -> None:
    identity = tmp_path / "identity"
    secret, recipient = generate_identity()
    identity.write_text(secret)
    settings.BACKUP_ENCRYPTION_RECIPIENTS = [recipient]
    settings.BACKUP_ENCRYPTION_IDENTITY_FILE = [str(identity)]
    made = back_up()
    data = file_of(made).read_bytes()
    copy = tmp_path / "from usb"
    copy.write_bytes(data)
    file_of(made).unlink()
    BackupExecution.objects.all().delete()
    taken = take(copy, destination)
    assert (taken.backup_path, taken.encryption) == (made.backup_path, "age")
    assert file_of(taken).read_bytes() == data


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
    assert archives() == [] and not BackupExecution.objects.exists()


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
    assert archives() == [] and not BackupExecution.objects.exists()


@pytest.mark.parametrize(("name", "message"), [("absent", "is not a file"), (".", "is not a file")])
def test_a_path_that_is_no_file_is_named(
    destination: BackupDestination, tmp_path: Path, name: str, message: str
) -> None:
    with pytest.raises(ArchiveError, match=message):
        take(tmp_path / name, destination)


def test_the_command_imports_a_file_and_says_where_it_is(
    destination: BackupDestination, usb: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("importarchive", str(usb), "--destination", "nas")
    row = BackupExecution.objects.get()
    out = capsys.readouterr().out
    assert out.startswith(f"imported  {row.backup_path} at nas\n") and f"id {row.pk}\n" in out
    with pytest.raises(CommandError, match=f"is stored already: backup {row.pk} at nas"):
        call_command("importarchive", str(usb))
    BackupExecution.objects.update(deleted_at=timezone.now())
    file_of(row).unlink()
    call_command("importarchive", str(usb), "--json")
    answer = json.loads(capsys.readouterr().out)
    assert (answer["instance"], answer["kind"], answer["destination"]) == ("app", "scheduled", "nas")


def test_the_command_needs_the_destination_where_there_are_two(destination: BackupDestination, usb: Path) -> None:
    stored(destination)
    other = BackupDestination(name="offsite", type="local")
    other.configure({})
    other.save()
    with pytest.raises(CommandError, match="Several destinations are enabled"):
        call_command("importarchive", str(usb))
