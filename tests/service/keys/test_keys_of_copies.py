"""The keys of a destination whose archives are encrypted, of backups whose first copy is plain elsewhere."""

from pathlib import Path

import pytest

from backups.archive.encryption import KeyMatch
from backups.models import BackupCopy
from backups.service.backup.run import backup_now
from backups.service.keys.check import check_keys
from backups.service.keys.recovery_kit import recovery_kit
from tests.support.pages.admin_pages import LIST
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client, a_destination

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def encrypted(shop: Path, identity: Path) -> BackupCopy:
    offsite = a_destination("offsite")
    backup = backup_now("shop", [a_destination("nas", encryption="off"), offsite], by="tests")
    copy = backup.copies.get(destination=offsite)
    assert (backup.encryption, copy.encryption) == ("", "age")
    return copy


@pytest.mark.parametrize("whole", [False, True])
def test_the_keys_are_tried_on_the_copy_at_the_destination(encrypted: BackupCopy, whole: bool) -> None:
    (result,) = check_keys(encrypted.destination, whole=whole)
    assert result.verdict is KeyMatch.OPENS
    assert result.backup.backup_path == encrypted.path


def test_the_kit_the_pages_and_the_list_know_the_encrypted_copy(encrypted: BackupCopy) -> None:
    kit, client = recovery_kit("shop"), a_client(VIEW)
    assert encrypted.sha256 in kit
    assert Path(encrypted.path).name in kit
    assert 'data-section="archives"' in page_at(client, "/admin/backups/keys/").html
    for answer in ("yes", "no"):
        assert page_at(client, f"{LIST}?encryption={answer}").listed_runs() == [encrypted.execution_id]
