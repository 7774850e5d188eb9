"""The signature of an archive: made with every backup, and gone with it."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import OperationalError

from backups.models import BackupExecution, SigningKeyUse
from backups.runs.recovery.reap import reap, tidy
from backups.service.archives.records.delete import delete_backup
from backups.service.archives.signatures import State, signature_state
from backups.service.backup import kind as backup_service
from backups.service.backup import side_by_side, upload
from destinations.backends.local import LocalDestination
from destinations.exceptions import DestinationFull
from destinations.models import BackupDestination
from tests.support.archives.stored import signature_of
from tests.support.site_fixtures import BackUp

Listing = Callable[[], list[str]]
pytestmark = pytest.mark.django_db(transaction=True)


def test_a_database_that_is_away_when_the_use_of_the_key_is_recorded_fails_no_backup(
    shop: Path, back_up: BackUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(**_: object) -> None:
        raise OperationalError("the connection is closed")

    monkeypatch.setattr(SigningKeyUse.objects, "update_or_create", away)
    backup = back_up("shop")
    assert backup.status == "completed"
    assert signature_of(backup).exists()


def test_deleting_a_backup_deletes_its_signature(execution: BackupExecution, archives: Listing) -> None:
    delete_backup(execution, by="tests", reason="test")
    assert not signature_of(execution).exists()
    assert archives() == []


def test_a_backup_whose_signature_is_gone_already_is_deleted_all_the_same(execution: BackupExecution) -> None:
    signature_of(execution).unlink()
    delete_backup(execution, by="tests", reason="test")
    assert BackupExecution.objects.get(pk=execution.pk).deleted_at is not None


def test_a_backup_that_cannot_be_signed_fails_and_leaves_nothing(
    shop: Path, back_up: BackUp, archives: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = LocalDestination.put

    def full(self: LocalDestination, source: io.BytesIO, path: str, **options: object) -> object:
        if path.endswith(".minisig"):
            raise DestinationFull("no space is left", "free some")
        return put(self, source, path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(LocalDestination, "put", full)
    with pytest.raises(DestinationFull):
        back_up("shop")
    assert BackupExecution.objects.latest().status == "failed"
    assert archives() == []


class Died(BaseException):
    pass


@pytest.mark.parametrize("moment", ["before the signature", "after the signature"])
def test_a_process_that_dies_between_upload_and_record_leaves_a_signed_backup(
    shop: Path, destination: BackupDestination, back_up: BackUp, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def die(*_: object, **__: object) -> None:
        raise Died

    module, name = (side_by_side, "signature_text") if moment.startswith("before") else (upload, "record")
    with monkeypatch.context() as patch:
        patch.setattr(module, name, die)
        # what a killed process does not do: tidy up, and record its end
        patch.setattr(upload, "remove_published", lambda *_, **__: None)
        patch.setattr(backup_service.BackupKind, "settle", lambda *_: None)
        with pytest.raises(Died):
            back_up("shop")
    execution = BackupExecution.objects.latest()
    BackupExecution.objects.update(heartbeat_at=None, worker="elsewhere:1", started_at="2026-01-01T00:00:00Z")
    assert execution.status == "running"

    reap()
    tidy()

    execution.refresh_from_db()
    assert execution.status == "completed"
    assert signature_state(execution).state is State.SIGNED


def test_what_lies_there_under_the_name_of_the_signature_is_replaced(
    shop: Path, back_up: BackUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = LocalDestination.put

    def plant(self: LocalDestination, source: io.BytesIO, path: str, **options: object) -> object:
        stored = put(self, source, path, **options)  # type: ignore[arg-type]
        if not path.endswith(".minisig") and not (beside := Path(self.location(), f"{path}.minisig")).exists():
            beside.write_text("planted")
        return stored

    monkeypatch.setattr(LocalDestination, "put", plant)
    assert signature_state(back_up("shop")).state is State.SIGNED
