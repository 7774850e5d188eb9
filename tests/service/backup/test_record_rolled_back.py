"""A backup whose archive arrived, while the record of it did not reach the database."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backups.models import BackupExecution
from backups.service.backup import upload
from backups.service.backup.run import run_backup
from backups.service.backup.start import start_backup
from destinations.models import BackupDestination

pytestmark = pytest.mark.django_db(transaction=True)


class Terminated(BaseException):
    pass


@pytest.mark.parametrize("error", [RuntimeError, Terminated])
def test_a_backup_whose_record_was_rolled_back_fails_with_that_error(
    small_shop: Path,
    destination: BackupDestination,
    archives: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException],
) -> None:
    real = upload.change_copy

    def fail(*args: Any, **changes: Any) -> bool:
        if changes.get("state") == "stored":
            raise error("The record cannot be written.")
        return real(*args, **changes)

    monkeypatch.setattr(upload, "change_copy", fail)
    queued = start_backup("shop", destination, by="tests")
    with pytest.raises(error):
        run_backup(queued.pk)
    backup = BackupExecution.objects.get()
    assert (backup.status, backup.backup_path) == ("failed" if error is RuntimeError else "interrupted", "")
    assert error.__name__ in backup.error_message
    assert archives() == []
