"""What a store brings back is recorded as good only as far as that is known."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from backups.models import BackupCopy, BackupExecution, DrillExecution
from backups.service.archives.names import signature_of
from backups.service.archives.records.missing import mark_missing
from backups.service.monitoring.bring_back import BroughtBack, bring_back
from backups.service.monitoring.check_destination import check_destination
from destinations.backends.base import StoredFile
from destinations.backends.local import LocalDestination
from destinations.exceptions import NotFound
from destinations.models import BackupDestination
from tests.support.archives.stored import daily, file_of, put, stored

pytestmark = pytest.mark.django_db


def back(monkeypatch: pytest.MonkeyPatch, backup: BackupExecution, data: bytes | None = None) -> BroughtBack:
    """Lose the archive of `backup`, and bring back what the store keeps: `data`, or the archive itself."""
    copy, path = BackupCopy.objects.select_related("execution", "destination").get(), file_of(backup)
    kept = path.read_bytes() if data is None else data
    path.unlink()
    mark_missing(copy, timezone.now())

    def restore_hidden(self: LocalDestination, path: str, size: int | None = None) -> StoredFile:
        if path == signature_of(backup.backup_path):
            raise NotFound("There is none.", "")
        assert size == copy.size_bytes
        put(copy.destination, path, kept)
        return self.stat(path)

    monkeypatch.setattr(LocalDestination, "restore_hidden", restore_hidden)
    return bring_back(copy.destination, backup.backup_path, by="alice")


def test_junk_of_another_size_makes_no_sound_copy(
    home: Path, destination: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = stored(destination)
    done = back(monkeypatch, backup, b"junk of somebody else")
    assert "21 bytes" in done.problem and done.copy is not None
    done.copy.refresh_from_db()
    assert (done.copy.condition, done.copy.missing_at) == ("damaged", None)
    assert not DrillExecution.objects.exists()


def test_what_has_the_right_size_is_proven_by_a_queued_verification_only(
    home: Path, destination: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = stored(destination)
    BackupExecution.objects.update(verified_at=timezone.now() - timedelta(days=1))
    BackupCopy.objects.update(verified_at=timezone.now() - timedelta(days=1), verified_by="upload")
    done = back(monkeypatch, backup)
    copy = BackupCopy.objects.select_related("execution").get()
    assert (done.problem, copy.condition, copy.verified_at, copy.verified_by) == ("", "stored", None, "")
    assert copy.execution.verified_at is None
    assert DrillExecution.objects.get().kind == "verification"


def test_a_copy_that_retention_deletes_during_a_check_is_skipped(
    home: Path, destination: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    daily(destination, 2)
    read = list[str]()

    def verify(backup: BackupExecution, **_: object) -> None:
        read.append(backup.pk)
        BackupCopy.objects.exclude(execution=backup).update(state=BackupCopy.State.DELETED)

    monkeypatch.setattr("backups.service.monitoring.check_destination.verify_backup", verify)
    checked = check_destination(destination, by="tests", read=2)
    assert [backup.pk for backup in checked.read] == read and len(read) == 1
