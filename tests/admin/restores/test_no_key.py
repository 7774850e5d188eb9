"""Archives that no key of this host opens: every page on the way to a restore says so, and the preview command."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from backups.archive import age
from backups.models import BackupExecution
from backups.service.restore.preview.build import preview
from tests.support.archives.age_files import IDENTITY, OTHER_IDENTITY, OTHER_RECIPIENT, PASSPHRASE, RECIPIENT, sealed
from tests.support.pages.admin_pages import url
from tests.support.pages.parsed import page_at
from tests.support.rows import an_execution

pytestmark = pytest.mark.django_db
KEYS = "/admin/backups/keys/"


def encrypted(recipients: list[str], **fields: Any) -> BackupExecution:
    return an_execution("shop", encryption="age", recipients=recipients, **fields)


def identity_file(folder: Path, identity: str) -> list[str]:
    path = folder / "identity.txt"
    path.write_text(f"{identity}\n")
    return [str(path)]


def test_the_page_of_a_backup_says_that_this_host_cannot_open_it(
    admin: Client, settings: Settings, tmp_path: Path
) -> None:
    backup = encrypted([age.fingerprint(RECIPIENT)])
    notice = page_at(admin, url(backup)).notice("no-key")
    assert age.fingerprint(RECIPIENT) in notice.field("message").text
    assert "BACKUP_ENCRYPTION_IDENTITY_FILE" in notice.field("hint").text
    # another identity does not help
    settings.BACKUP_ENCRYPTION_IDENTITY_FILE = identity_file(tmp_path, OTHER_IDENTITY)
    assert "no-key" in page_at(admin, url(backup)).notices()
    settings.BACKUP_ENCRYPTION_IDENTITY_FILE = identity_file(tmp_path, IDENTITY)
    assert "no-key" not in page_at(admin, url(backup)).notices()


def test_a_passphrase_that_is_not_configured_is_a_missing_key(admin: Client, settings: Settings) -> None:
    backup = encrypted(["passphrase"])
    assert "no-key" in page_at(admin, url(backup)).notices()
    settings.BACKUP_ENCRYPTION_OLD_PASSPHRASES = [PASSPHRASE]
    assert "no-key" not in page_at(admin, url(backup)).notices()


@pytest.mark.parametrize("encryption", ["program", "tcbk"])
def test_other_ways_of_encryption_miss_their_keys_too(admin: Client, encryption: str) -> None:
    assert "no-key" in page_at(admin, url(an_execution("shop", encryption=encryption))).notices()


def test_no_key_is_missed_where_none_is_needed_or_the_archive_is_gone(admin: Client) -> None:
    assert "no-key" not in page_at(admin, url(an_execution("shop"))).notices()
    gone = encrypted(["passphrase"], deleted_at="2026-01-01T00:00:00Z")
    assert "no-key" not in page_at(admin, url(gone)).notices()


def test_the_page_of_a_restore_refuses_instead_of_a_green_box(admin: Client) -> None:
    page = page_at(admin, url(encrypted([age.fingerprint(RECIPIENT)]), "restore"))
    assert age.fingerprint(RECIPIENT) in page.notice("refused").field("refusal").text
    assert "bs-good" not in page.notice("loss").get("class").split()


def test_the_preview_tries_the_passphrase_on_the_archive(settings: Settings) -> None:
    settings.BACKUP_ENCRYPTION_PASSPHRASE = "not this one"
    backup = encrypted(["passphrase"])
    archive = settings.BACKUP_ROOT / "nas" / backup.backup_path
    archive.parent.mkdir(mode=0o700, parents=True)
    archive.write_bytes(sealed(b"archive", passphrase=PASSPHRASE))
    assert len(preview(backup, "shop").refusals) == 1
    settings.BACKUP_ENCRYPTION_PASSPHRASE = PASSPHRASE
    assert preview(backup, "shop").refusals == ()


def test_the_page_of_keys_counts_what_this_host_cannot_open(admin: Client, settings: Settings, tmp_path: Path) -> None:
    settings.BACKUP_ENCRYPTION_IDENTITY_FILE = identity_file(tmp_path, IDENTITY)
    fitting, other = age.fingerprint(RECIPIENT), age.fingerprint(OTHER_RECIPIENT)
    encrypted([fitting])
    for _ in range(2):
        encrypted([other])
    page = page_at(admin, KEYS)
    archives = page.section("archives")
    assert (archives.row(fitting).status, archives.row(fitting).field("count").value) == ("present", "1")
    assert (archives.row(other).status, archives.row(other).field("count").value) == ("missing", "2")
    assert other in page.notice("no-key").field("message").text
