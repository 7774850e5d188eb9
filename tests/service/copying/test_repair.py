"""The damaged archive that a sound copy replaces goes, also where the process dies in between, or is named."""

from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from backups.models import BackupCopy, BackupExecution, CopyExecution
from backups.runs.recovery.reap import reap
from backups.service.archives.records.missing import mark_damaged
from backups.service.backup.run import backup_now
from backups.service.backup.settle import settle_uploads
from backups.service.copying import kind
from backups.service.copying.run import copy_now
from destinations.backends.local import LocalDestination
from destinations.exceptions import DestinationUnavailable
from destinations.models import BackupDestination
from tests.support.rows import a_destination

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def damaged(small_shop: Path, destination: BackupDestination) -> BackupCopy:
    """Return the damaged copy at the first of two destinations."""
    backup = backup_now("shop", [destination, a_destination("vault")], by="tests")
    copy = backup.copies.select_related("destination", "execution").get(destination=destination)
    mark_damaged(copy, timezone.now(), "Its SHA-256 differs.")
    return copy


def test_a_damaged_archive_that_cannot_be_deleted_is_named(
    damaged: BackupCopy, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    def refuse(self: LocalDestination, path: str) -> None:
        raise DestinationUnavailable("It is read-only.")

    monkeypatch.setattr(LocalDestination, "delete", refuse)
    run = copy_now(damaged.execution, damaged.destination, by="tests")
    assert run.status == "completed"
    (warning,) = run.warnings
    assert damaged.path in warning and "It is read-only." in warning
    assert (home / "backups" / "nas" / damaged.path).exists()
    damaged.refresh_from_db()
    assert damaged.condition == "stored"


def test_a_repair_that_dies_is_finished_and_the_damaged_archive_goes(
    damaged: BackupCopy, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    class Died(BaseException):
        pass

    def die(*_: object, **__: object) -> Any:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(kind, "record_copied", die)
        patch.setattr(kind, "remove_published", lambda *_, **__: None)
        patch.setattr(kind.CopyKind, "settle", lambda *_: None)
        with pytest.raises(Died):
            copy_now(damaged.execution, damaged.destination, by="tests")
    CopyExecution.objects.update(heartbeat_at=None, worker="elsewhere:1", started_at="2026-01-01T00:00:00Z")
    reap()
    settle_uploads()
    bad = damaged.path
    damaged.refresh_from_db()
    assert (damaged.condition, damaged.path != bad) == ("stored", True)
    assert not (home / "backups" / "nas" / bad).exists()
    assert BackupExecution.objects.get().copies_state == "all"
