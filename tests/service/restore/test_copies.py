"""A restore of a backup with several copies takes the nearest one that can be read, and says which could not."""

from pathlib import Path

import pytest

from backups.archive.errors import ArchiveError
from backups.models import BackupCopy, BackupExecution
from backups.service.backup.run import backup_now
from backups.service.restore.dry_run import dry_run_restore
from backups.service.restore.request import RestoreRequest
from destinations.models import BackupDestination
from tests.support.restores.instance_restores import restore, spoil_tacacs, tacacs_state
from tests.support.rows import a_destination

pytestmark = pytest.mark.django_db


@pytest.fixture
def pair(tacacs_root: Path, destination: BackupDestination) -> BackupExecution:
    return backup_now("tacacs-hq", [destination, a_destination("vault")], by="tests")


def test_a_restore_falls_back_to_the_copy_of_another_destination(
    pair: BackupExecution, tacacs_root: Path, home: Path
) -> None:
    before = tacacs_state(tacacs_root)
    (home / "backups" / "nas").rename(home / "backups" / "unmounted")
    spoil_tacacs(tacacs_root)
    a_destination("here")
    checked = dry_run_restore(RestoreRequest(source=pair, instance="tacacs-hq", archive_sha256=pair.archive_sha256))
    assert any(note.startswith("The copy at nas was not used: ") for note in checked.notes)
    restored = restore(pair)
    assert tacacs_state(tacacs_root) == before
    assert restored.status == "completed"
    assert any(text.startswith("The copy at nas was not used: ") for text in restored.warnings)


def test_a_changed_copy_is_marked_and_the_next_one_restored(
    pair: BackupExecution, tacacs_root: Path, home: Path
) -> None:
    before = tacacs_state(tacacs_root)
    bad = home / "backups" / "nas" / pair.backup_path
    bad.write_bytes(bad.read_bytes()[:-1] + b"X")
    spoil_tacacs(tacacs_root)
    restore(pair)
    assert tacacs_state(tacacs_root) == before
    assert {copy.destination.name: copy.condition for copy in pair.copies.all()} == {
        "nas": "damaged",
        "vault": "stored",
    }


def test_no_copy_but_the_confirmed_archive_is_taken(pair: BackupExecution, home: Path) -> None:
    for copy in pair.copies.all():
        BackupCopy.objects.filter(pk=copy.pk).update(sha256=copy.destination_id.replace("-", "")[:32] * 2)
    with pytest.raises(ArchiveError, match="is not the archive that was confirmed"):
        dry_run_restore(RestoreRequest(source=pair, instance="tacacs-hq", archive_sha256=pair.archive_sha256))
