"""Archives that are gone, moved or changed since they were recorded."""

import hashlib
import shutil
from typing import Any

import pytest
from django.utils import timezone

from backups.models import BackupExecution
from backups.service.archives.records.pin import pin_backup
from backups.service.catalogue.sync import scan_destination
from destinations.backends.local import LocalDestination
from destinations.exceptions import DestinationUnavailable
from destinations.models import BackupDestination
from tests.support.archives.imported import PLACE, paths, run
from tests.support.archives.stored import DAY, NOW, an_archive, file_of, folder_of, put, stored
from tests.support.rows import an_execution, recopied

pytestmark = pytest.mark.django_db


def test_an_archive_that_is_gone_is_marked_until_it_returns(
    destination: BackupDestination, caplog: pytest.LogCaptureFixture
) -> None:
    kept, lost = stored(destination), stored(destination, taken_at=NOW - DAY)
    aside = file_of(lost).rename(folder_of(destination).parent / "aside")
    before = timezone.now()
    assert paths(run(destination).missing) == [lost.backup_path]
    lost.refresh_from_db()
    assert lost.missing_at is not None and lost.missing_at >= before and not lost.has_archive
    assert "ERROR" in caplog.text and f"backup.missing backup={lost.pk}" in caplog.text
    first = lost.missing_at
    assert run(destination).missing == []
    lost.refresh_from_db()
    assert lost.missing_at == first
    aside.rename(file_of(lost))
    assert paths(run(destination).returned) == [lost.backup_path]
    lost.refresh_from_db()
    assert lost.has_archive
    kept.refresh_from_db()
    assert kept.missing_at is None


def test_an_archive_that_was_moved_keeps_its_row_and_its_pin(destination: BackupDestination) -> None:
    execution = stored(destination)
    pin_backup(execution, by="tests", reason="audit")
    target = folder_of(destination) / "vault/kept.tar.gz"
    target.parent.mkdir()
    data = an_archive()
    file_of(execution).unlink()
    target.write_bytes(data)
    BackupExecution.objects.update(archive_sha256=hashlib.sha256(data).hexdigest())
    recopied()
    done = run(destination)
    assert (paths(done.moved), done.missing, done.adopted) == (["vault/kept.tar.gz"], [], [])
    row = BackupExecution.objects.get()
    assert (row.pk, row.backup_path, row.pinned, row.missing_at) == (execution.pk, "vault/kept.tar.gz", True, None)


def test_an_archive_of_another_size_than_recorded_is_reported_and_not_present(
    destination: BackupDestination, caplog: pytest.LogCaptureFixture
) -> None:
    execution = stored(destination)
    file_of(execution).write_bytes(b"cut")
    done = run(destination)
    assert [(row.pk, size) for row, size in done.scan.changed] == [(execution.pk, 3)]
    assert (done.scan.present, done.missing) == (0, [])
    assert f"backup.changed backup={execution.pk}" in caplog.text


def test_an_archive_that_came_back_after_it_was_deleted_is_a_new_backup(destination: BackupDestination) -> None:
    gone = stored(destination, deleted_at=NOW)
    (row,) = run(destination).adopted
    assert (row.pk != gone.pk, row.backup_path) == (True, gone.backup_path)


def test_what_an_execution_is_uploading_is_not_unknown(destination: BackupDestination) -> None:
    an_execution("app", destination=destination, status="running", planned_path=PLACE)
    put(destination, PLACE, an_archive())
    assert (run(destination).adopted, scan_destination(destination).unknown) == ([], [])


def test_what_is_recorded_or_deleted_while_the_listing_runs_is_neither_unknown_nor_missing(
    destination: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    early, late = stored(destination, taken_at=NOW - 2 * DAY), stored(destination, taken_at=NOW - DAY)
    real = LocalDestination.list

    def delete(execution: BackupExecution) -> None:
        file_of(execution).unlink()
        BackupExecution.objects.filter(pk=execution.pk).update(deleted_at=NOW)
        recopied()

    def list_slowly(self: LocalDestination, prefix: str = "") -> Any:
        delete(early)
        yield from list(real(self, prefix))
        stored(destination)
        delete(late)

    monkeypatch.setattr(LocalDestination, "list", list_slowly)
    found = scan_destination(destination)
    assert (found.unknown, found.missing) == ([], [])


def test_a_listing_that_is_behind_marks_nothing_that_is_there(
    destination: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(destination)
    monkeypatch.setattr(LocalDestination, "list", lambda self, prefix="": iter(()))
    assert run(destination).missing == []


@pytest.mark.parametrize("method", ["list", "list_partials", "stat"])
def test_an_error_while_looking_marks_and_adopts_nothing(
    destination: BackupDestination, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    lost = stored(destination)
    file_of(lost).unlink()
    put(destination, "other.tar.gz", an_archive())

    def broken(*_: Any, **__: Any) -> Any:
        raise DestinationUnavailable("the connection broke")

    monkeypatch.setattr(LocalDestination, method, broken)
    with pytest.raises(DestinationUnavailable):
        run(destination)
    assert BackupExecution.objects.get().missing_at is None


def test_a_disk_that_is_not_mounted_marks_nothing(destination: BackupDestination) -> None:
    stored(destination)
    BackupDestination.objects.update(established=True)
    destination.refresh_from_db()
    shutil.rmtree(folder_of(destination))
    with pytest.raises(DestinationUnavailable, match="although archives were stored"):
        run(destination)
    folder_of(destination).mkdir()
    with pytest.raises(DestinationUnavailable, match="is empty, although"):
        run(destination)
    assert BackupExecution.objects.get().missing_at is None
