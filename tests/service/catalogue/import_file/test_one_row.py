"""One archive at one destination is one backup, however often it is found or imported."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from backups.errors import BackupError, Interrupted
from backups.models import BackupExecution
from backups.runs.finish import cancel
from backups.service.catalogue import import_file
from backups.service.catalogue.sync import import_backups
from backups.service.drill.run import verify_backup
from destinations.models import BackupDestination
from tests.support.archives.imported_files import recorded, take
from tests.support.archives.stored import file_of, folder_of, put
from tests.support.pages.admin_pages import LIST
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client

pytestmark = pytest.mark.django_db(transaction=True)
Files = Callable[[], list[str]]


def test_two_imports_at_once_make_one_backup(
    usb: Path, destination: BackupDestination, archives: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = import_file.complete_import
    refused = []

    def meanwhile(*arguments: Any) -> None:
        monkeypatch.setattr(import_file, "complete_import", real)
        with pytest.raises(BackupError, match="is being imported to nas already") as error:
            take(usb, destination)
        refused.append(error.value)
        real(*arguments)

    monkeypatch.setattr(import_file, "complete_import", meanwhile)
    done = take(usb, destination)
    assert (len(refused), archives(), recorded()) == (1, [f"nas/{done.backup_path}"], [("completed", True)])


def test_the_list_shows_an_import_while_it_runs_and_one_that_is_cancelled_leaves_no_archive(
    usb: Path, destination: BackupDestination, archives: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, details = import_file.complete_import, []

    def meanwhile(backup: BackupExecution, *arguments: Any) -> None:
        page = page_at(a_client(VIEW), LIST)
        details.append(page.run(backup.pk).field("detail").text)
        cancel(BackupExecution.objects.get(pk=backup.pk), by="tests")
        real(backup, *arguments)

    monkeypatch.setattr(import_file, "complete_import", meanwhile)
    with pytest.raises(Interrupted):
        take(usb, destination)
    assert (archives(), recorded()) == ([], [("cancelled", False)])
    assert details[0].startswith("being imported by ")


def test_a_second_copy_at_the_destination_is_named_and_not_counted(
    usb: Path, destination: BackupDestination, archives: Files
) -> None:
    first = take(usb, destination)
    put(destination, "app/manual/copy.tar.gz", usb.read_bytes())
    for _ in range(2):
        done = import_backups(destination, by="tests")
        assert [(path, row.pk) for path, row in done.copies] == [("app/manual/copy.tar.gz", first.pk)]
        assert (done.adopted, done.refused, recorded()) == ([], [], [("completed", True)])
    assert len(archives()) == 2


def test_a_whole_copy_takes_the_place_of_an_archive_that_was_cut(usb: Path, destination: BackupDestination) -> None:
    first = take(usb, destination)
    put(destination, "app/manual/copy.tar.gz", usb.read_bytes())
    file_of(first).write_bytes(usb.read_bytes()[:100])
    done = import_backups(destination, by="tests")
    assert [row.pk for row in done.moved] == [first.pk]
    row = BackupExecution.objects.get()
    assert file_of(row) == folder_of(destination) / "app/manual/copy.tar.gz"
    verify_backup(row, by="tests")


def test_an_import_takes_the_place_of_an_archive_that_was_cut(usb: Path, destination: BackupDestination) -> None:
    first = take(usb, destination)
    cut = file_of(first)
    cut.write_bytes(usb.read_bytes()[:100])
    second = take(usb, destination)
    assert (second.pk, recorded()) == (first.pk, [("completed", True)])
    assert (file_of(second) != cut, cut.stat().st_size) == (True, 100)
    verify_backup(second, by="tests")


def test_the_same_archive_at_two_destinations_is_one_backup_with_two_copies(
    usb: Path, destination: BackupDestination, tmp_path: Path
) -> None:
    first = take(usb, destination)
    other = BackupDestination(name="offsite", type="local")
    other.configure({})
    other.save()
    target = folder_of(other) / first.backup_path
    target.parent.mkdir(mode=0o700, parents=True)
    shutil.copy(file_of(first), target)
    assert [row.pk for row in import_backups(other, by="tests").attached] == [first.pk]
    assert recorded() == [("completed", True)]


def test_the_database_refuses_a_second_row(usb: Path, destination: BackupDestination) -> None:
    row = take(usb, destination)
    row.pk, row.backup_path = "another", "app/manual/another.tar.gz"
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save(force_insert=True)
    row.status = "interrupted"
    row.save(force_insert=True)
