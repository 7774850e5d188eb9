"""A backup whose copies are packed for different encryptions: what can be read of them is restored."""

from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from backups.archive.manifest.document import Manifest
from backups.instances import get_instance
from backups.models import BackupCopy, BackupExecution
from backups.service.backup.run import backup_now
from backups.service.drill.run import verify_backup
from backups.service.restore.preview.archived import archived_side
from backups.service.restore.preview.signature import preview_signature
from tests.support.archives.age_files import OTHER_IDENTITY, OTHER_RECIPIENT, identity_file
from tests.support.archives.stored import file_of
from tests.support.restores.instance_restores import restore, spoil_tacacs, tacacs_state
from tests.support.rows import a_destination

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def mixed(tacacs_root: Path, identity: Path) -> BackupExecution:
    """A backup whose first and nearest copy is encrypted, and the other one plain."""
    first, plain = a_destination("nas", position=1), a_destination("vault", position=2, encryption="off")
    backup = backup_now("tacacs-hq", [first, plain], by="tests")
    assert [copy.encryption for copy in backup.copies.all()] == ["age", ""]
    return backup


def test_without_the_key_of_the_first_copy_the_plain_one_is_used(
    mixed: BackupExecution, tacacs_root: Path, settings: Settings, tmp_path: Path
) -> None:
    settings.BACKUP_ENCRYPTION_IDENTITY_FILE = [str(identity_file(tmp_path, OTHER_IDENTITY))]
    settings.BACKUP_ENCRYPTION_RECIPIENTS = [OTHER_RECIPIENT]
    before = tacacs_state(tacacs_root)
    spoil_tacacs(tacacs_root)
    restore(mixed)
    assert tacacs_state(tacacs_root) == before
    verify_backup(mixed, by="tests")


@pytest.mark.parametrize("loss", ["changed", "known to be missing"])
def test_when_the_confirmed_copy_is_lost_the_other_one_is_restored(
    mixed: BackupExecution, tacacs_root: Path, loss: str
) -> None:
    before = tacacs_state(tacacs_root)
    if loss == "changed":
        file = file_of(mixed)
        file.write_bytes(file.read_bytes()[:-1] + b"X")
    else:
        BackupCopy.objects.filter(execution=mixed, encryption="age").update(missing_at=timezone.now())
    spoil_tacacs(tacacs_root)
    restored = restore(mixed)
    assert tacacs_state(tacacs_root) == before
    assert any(text.startswith("The copy that was confirmed ") for text in restored.warnings)


def test_a_preview_reads_the_copy_of_a_destination_that_answers(
    mixed: BackupExecution, tacacs_root: Path, home: Path
) -> None:
    BackupExecution.objects.filter(pk=mixed.pk).update(config_json=None)
    mixed.refresh_from_db()
    (home / "backups" / "nas").rename(home / "backups" / "unmounted")
    assert preview_signature(mixed).trusted
    service = get_instance("tacacs-hq").service
    side = archived_side(mixed, Manifest.from_dict(mixed.manifest_json or {}), service)
    assert (side.reason, bool(side.layers)) == ("", True)
