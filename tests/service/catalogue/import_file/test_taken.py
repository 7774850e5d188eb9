"""Archive files from anywhere are verified, stored under their names and recorded."""

import hashlib
import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone
from pytest_django import Settings

from backups.archive.age import generate_identity
from backups.archive.errors import ArchiveError
from backups.models import BackupExecution
from backups.service.archives.signatures import signature_state
from backups.service.catalogue.sync import scan_destination
from backups.service.drill.run import verify_backup
from destinations.models import BackupDestination
from tests.support.archives.crafted import SERVER_ENCRYPTED, SERVER_PASSPHRASE, SERVER_PLAIN
from tests.support.archives.imported_files import take
from tests.support.archives.stored import NOW, an_archive, file_of, put, stored
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db
Files = Callable[[], list[str]]


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
