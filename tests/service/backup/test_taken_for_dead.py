"""A backup whose process was taken for dead, while another one recorded its archive."""

from pathlib import Path
from typing import Any

import pytest

from backups.models import BackupExecution
from backups.runs.recovery.reap import recover, tidy
from backups.service.backup import side_by_side
from backups.service.backup.run import run_backup
from backups.service.backup.start import start_backup
from destinations.exceptions import DestinationUnavailable, NameTaken
from destinations.models import BackupDestination

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def place(small_shop: Path) -> Path:
    return small_shop


@pytest.mark.parametrize("error", [DestinationUnavailable, NameTaken])
def test_an_archive_that_another_process_recorded_stays_when_its_signature_cannot_be_stored(
    destination: BackupDestination, home: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def recovered_meanwhile(*_: object, **__: Any) -> None:
        assert recover(BackupExecution.objects.get(), "No heartbeat")
        assert tidy() == 1
        raise error("The disk is gone.")

    monkeypatch.setattr(side_by_side, "store_signature", recovered_meanwhile)
    queued = start_backup("shop", destination, by="tests")
    with pytest.raises(error):
        run_backup(queued.pk)
    backup = BackupExecution.objects.get()
    assert backup.status == "completed"
    assert (home / "backups" / "nas" / backup.backup_path).exists()
    copy = backup.copies.get()
    assert (copy.state, copy.path, copy.error) == ("stored", backup.backup_path, "")
