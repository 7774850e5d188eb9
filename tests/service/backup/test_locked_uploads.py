"""An archive that a store keeps locked, and whose signature did not arrive: it is recorded as what it is."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from backups.models import BackupCopy, BackupExecution
from backups.service.archives.records.copies import change_copy
from backups.service.archives.signatures import State, signature_state
from backups.service.backup import side_by_side
from backups.service.backup.run import backup_now
from backups.service.backup.settle import settle_uploads
from destinations.backends import Destination
from destinations.exceptions import ConnectionLost
from destinations.models import BackupDestination
from tests.destinations.backends.s3.buckets import LOCKED_BUCKET, s3_options
from tests.support.servers.objects.moto import Moto

pytestmark = pytest.mark.django_db(transaction=True)
UNTIL = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)


@pytest.fixture
def vault(small_shop: Path, destination: BackupDestination, moto: Moto, apart: str) -> BackupDestination:
    """Return a bucket with object lock; `destination` is a local folder."""
    vault = BackupDestination(name="vault", type="s3", encryption="allowed", created_by="tests")
    vault.configure(s3_options(moto, location=apart, bucket_name=LOCKED_BUCKET, lock_max_days=3))
    vault.save()
    return vault


@pytest.fixture
def unsigned(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Let the connection to the bucket break when the archive is stored and locked there; undone by `undo`."""
    real = side_by_side.store_signature

    def lose(opened: Destination, path: str, text: str, *, token: str) -> None:
        if opened.type != "s3":
            real(opened, path, text, token=token)
            return
        # the emulator does not lock what is uploaded in parts
        opened.lock(path, UNTIL)
        raise ConnectionLost("The connection was lost.", "Try again.")

    monkeypatch.setattr(side_by_side, "store_signature", lose)
    return monkeypatch


def locked_copy() -> BackupCopy:
    return BackupCopy.objects.select_related("destination").get(destination__name="vault")


def test_beside_another_copy_it_is_a_failed_copy_that_says_so_and_is_signed_later(
    destination: BackupDestination, vault: BackupDestination, unsigned: pytest.MonkeyPatch
) -> None:
    backup = backup_now("shop", [destination, vault], by="tests")
    copy = locked_copy()
    assert (backup.status, copy.state, copy.locked_until) == ("completed", "failed", UNTIL)
    assert copy.error.startswith("The connection was lost. ")
    assert f"{UNTIL:%Y-%m-%d %H:%M}" in copy.error and copy.planned_path in copy.error
    assert copy.error_hint == "Try again."
    unsigned.undo()
    assert len(settle_uploads()) == 1
    copy = locked_copy()
    assert (copy.condition, copy.locked_until, copy.error) == ("stored", UNTIL, "")
    change_copy(BackupCopy.objects.get(destination=destination), missing_at=timezone.now())
    backup.refresh_from_db()
    assert (backup.destination, signature_state(backup).state) == (vault, State.SIGNED)


def test_alone_the_backup_failed_and_it_is_removed_when_its_lock_has_ended(
    vault: BackupDestination, unsigned: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConnectionLost):
        backup_now("shop", vault, by="tests")
    backup, copy = BackupExecution.objects.get(), locked_copy()
    assert (backup.status, copy.locked_until) == ("failed", UNTIL)
    assert f"{UNTIL:%Y-%m-%d %H:%M}" in backup.error_message
    unsigned.undo()
    assert settle_uploads() == []
    copy = locked_copy()
    assert (copy.state, copy.look_again_at, bool(copy.planned_path)) == ("failed", UNTIL, True)
    with vault.open() as opened:
        assert opened.stat(copy.planned_path).size_bytes == copy.size_bytes
