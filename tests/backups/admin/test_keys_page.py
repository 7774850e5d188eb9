"""The page about keys."""

from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from backups.archive import age
from backups.archive.minisign import SigningKey
from backups.models import KeyCheck
from backups.service.signatures import site_key
from tests.archive.ageing import IDENTITY, PASSPHRASE, RECIPIENT
from tests.backups.factories import VIEW, a_client, a_destination, an_execution

pytestmark = pytest.mark.django_db
KEYS = "/admin/backups/backupexecution/keys/"


def page(url: str = KEYS) -> str:
    response = a_client(VIEW, name=f"user{url.count('x')}").get(url)
    assert response.status_code == 200
    html: str = response.content.decode()
    return html


def test_it_shows_what_archives_are_encrypted_for_and_the_line_that_verifies_them(settings: Settings) -> None:
    other = SigningKey.generate().public_key
    settings.BACKUP_ENCRYPTION_RECIPIENTS = [RECIPIENT]
    settings.BACKUP_TRUSTED_KEYS = [other.text]
    html = page()

    assert RECIPIENT in html
    assert age.fingerprint(RECIPIENT) in html
    assert f"minisign -Vm ARCHIVE -P {site_key().public_key.text}" in html
    assert other.id in html


def test_it_shows_no_secret(settings: Settings, tmp_path: Path) -> None:
    settings.BACKUP_ENCRYPTION_PASSPHRASE = PASSPHRASE
    html = page()
    assert "encrypted with a passphrase" in html
    assert not any(secret in html for secret in (PASSPHRASE, IDENTITY, settings.BACKUP_SIGNING_KEY.split()[-1]))


def test_it_shows_what_each_destination_demands_and_when_keys_were_tried() -> None:
    nas, offsite = a_destination("nas"), a_destination("offsite", encryption="required")
    now = timezone.now()
    KeyCheck.objects.create(
        destination=nas,
        checked_at=now,
        next_at=now,
        problem="No key at hand opens x at nas",
        outcome="1 cannot be opened",
    )
    KeyCheck.objects.create(destination=offsite, next_at=now, outcome="it did not answer: no route")
    html = page()

    assert "No key is configured" in html
    assert "No key at hand opens x at nas" in html
    for text in ("Allowed: encrypted where a key is configured", "Required: without a key the backup fails"):
        assert text in html
    assert "just now</span>: 1 cannot be opened<" in html
    assert ">not yet: it did not answer: no route<" in html


def test_keys_that_are_malformed_do_not_break_it(settings: Settings) -> None:
    settings.BACKUP_SIGNING_KEY, settings.BACKUP_ENCRYPTION_RECIPIENTS = "rubbish", ["age1rubbish"]
    html = page()
    assert "malformed" in html


def test_an_identity_in_the_place_of_a_recipient_is_not_shown(settings: Settings) -> None:
    settings.BACKUP_ENCRYPTION_RECIPIENTS = [IDENTITY, IDENTITY[:-1]]
    html = page()
    assert html.count("manage.py check says what is wrong with it") == 2
    assert IDENTITY[:-1] not in html


def test_it_is_for_those_who_may_see_backups_and_changes_nothing() -> None:
    assert a_client("view_backupdestination", name="eve").get(KEYS).status_code == 403
    assert a_client(VIEW, name="ann").post(KEYS).status_code == 405


def test_the_page_of_a_backup_names_the_keys_that_open_it() -> None:
    execution = an_execution("shop", encryption="age", recipients=["0123456789abcdef"])
    html = page(f"/admin/backups/backupexecution/{execution.pk}/change/?x")
    assert "encrypted (age: <code>0123456789abcdef</code>)" in html


def test_the_list_of_backups_leads_there() -> None:
    assert f'href="{KEYS}"' in page("/admin/backups/backupexecution/?")
