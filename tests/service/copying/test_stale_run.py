"""A run of copying whose process was taken for dead, while another one stored the copy."""

from pathlib import Path
from typing import Any

import pytest

from backups.errors import Interrupted
from backups.models import BackupCopy, BackupExecution
from backups.service.archives.records import copied
from backups.service.archives.records.copies import change_copy
from backups.service.backup.run import backup_now
from backups.service.copying import kind as copying
from backups.service.copying.run import copy_now
from destinations.exceptions import DestinationUnavailable
from destinations.models import BackupDestination
from tests.support.rows import a_destination

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def place(small_shop: Path) -> Path:
    return small_shop


@pytest.fixture
def vault(destination: BackupDestination) -> BackupDestination:
    return a_destination("vault")


def store(backup: BackupExecution, vault: BackupDestination) -> BackupCopy:
    copy = BackupCopy.objects.get(execution=backup, destination=vault)
    source = backup.copies.exclude(pk=copy.pk).get()
    assert change_copy(
        copy, state="stored", path=copy.planned_path or source.path, planned_path="", sha256=source.sha256
    )
    return copy


@pytest.mark.parametrize("step", ["read_signature", "store_signature"])
def test_a_copy_that_another_process_stored_stays_stored(
    destination: BackupDestination, vault: BackupDestination, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    backup = backup_now("shop", destination, by="tests")
    real = getattr(copying, step)

    def stored_meanwhile(*args: Any, **options: Any) -> object:
        store(backup, vault)
        if step == "store_signature":
            raise DestinationUnavailable("The disk is gone.")
        return real(*args, **options)

    monkeypatch.setattr(copying, step, stored_meanwhile)
    with pytest.raises((DestinationUnavailable, Interrupted)):
        copy_now(backup, vault, by="alice")
    copy = BackupCopy.objects.get(execution=backup, destination=vault)
    assert (copy.state, copy.error, copy.next_try_at) == ("stored", "", None)


def test_nothing_is_left_at_the_destination_when_the_record_of_the_copy_fails(
    destination: BackupDestination, vault: BackupDestination, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = backup_now("shop", destination, by="tests")

    def fail(copy: BackupCopy, *conditions: Any, **changes: Any) -> bool:
        if "locked_until" in changes:
            raise RuntimeError("The record cannot be written.")
        return change_copy(copy, *conditions, **changes)

    monkeypatch.setattr(copied, "change_copy", fail)
    with pytest.raises(RuntimeError):
        copy_now(backup, vault, by="alice")
    assert BackupCopy.objects.get(execution=backup, destination=vault).state == "failed"
    assert not list((home / "backups" / "vault").rglob("*.tar.gz*"))
