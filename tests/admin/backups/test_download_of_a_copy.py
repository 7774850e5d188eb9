"""A download of a backup whose copies are packed for different encryptions: each copy has a name of its own."""

from pathlib import Path

import pytest
from pytest_django import Settings

from backups.service.backup.run import backup_now
from tests.support.archives.age_files import RECIPIENT
from tests.support.pages.admin_pages import url
from tests.support.rows import VIEW, a_client, a_destination


@pytest.mark.django_db(transaction=True)
def test_name_and_signature_are_those_of_the_copy_that_was_fetched(settings: Settings) -> None:
    settings.BACKUP_ENCRYPTION_RECIPIENTS = [RECIPIENT]
    first, nearest = a_destination("nas", encryption="off", position=9), a_destination("vault", position=1)
    backup = backup_now("shop", [first, nearest], by="tests")
    taken = backup.copies.get(destination=nearest)
    assert (backup.encryption, taken.encryption) == ("", "age")
    client, name = a_client(VIEW, "download_backup"), Path(taken.path).name
    response = client.post(url(backup, "download"))
    assert response["Content-Disposition"] == f'attachment; filename="{name}"'
    stored = settings.BACKUP_ROOT / "vault" / taken.path
    assert b"".join(response) == stored.read_bytes()
    response.close()
    response = client.post(url(backup, "download_signature"))
    assert response["Content-Disposition"] == f'attachment; filename="{name}.minisig"'
    assert response.content == stored.with_name(f"{name}.minisig").read_bytes()
