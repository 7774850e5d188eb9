"""The page about keys."""

from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from backups.archive import age
from backups.archive.minisign import SigningKey
from backups.models import KeyCheck
from backups.service.archives.signatures import site_key
from tests.support.archives.age_files import IDENTITY, PASSPHRASE, RECIPIENT
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client, a_destination, an_execution

pytestmark = pytest.mark.django_db
KEYS = "/admin/backups/keys/"


def test_it_shows_what_archives_are_encrypted_for_and_the_line_that_verifies_them(settings: Settings) -> None:
    other = SigningKey.generate().public_key
    settings.BACKUP_ENCRYPTION_RECIPIENTS = [RECIPIENT]
    settings.BACKUP_TRUSTED_KEYS = [other.text]
    page = page_at(a_client(VIEW), KEYS)
    encryption, signatures = page.section("encryption"), page.section("signatures")
    assert encryption.status == "recipients"
    assert encryption.facts("recipient", "fingerprint") == {
        "recipient": RECIPIENT,
        "fingerprint": age.fingerprint(RECIPIENT),
    }
    assert signatures.status == "configured"
    assert signatures.field("command").text == f"minisign -Vm ARCHIVE -P {site_key().public_key.text}"
    assert signatures.facts("key", "trusted") == {"key": site_key().public_key.id, "trusted": other.id}


def test_it_shows_no_secret(settings: Settings, tmp_path: Path) -> None:
    settings.BACKUP_ENCRYPTION_PASSPHRASE = PASSPHRASE
    page = page_at(a_client(VIEW), KEYS)
    assert page.section("encryption").status == "passphrase"
    assert not any(secret in page.html for secret in (PASSPHRASE, IDENTITY, settings.BACKUP_SIGNING_KEY.split()[-1]))


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
    page = page_at(a_client(VIEW), KEYS)
    assert page.section("encryption").status == "none"
    assert page.notice("key-lost", "nas").field("message").text == "No key at hand opens x at nas."
    destinations = page.section("destinations")
    assert destinations.row("nas").facts("encryption", "checked_at", "outcome") == {
        "encryption": "allowed",
        "checked_at": now.isoformat(),
        "outcome": "1 cannot be opened",
    }
    assert destinations.row("offsite").facts("encryption", "checked_at", "outcome") == {
        "encryption": "required",
        "checked_at": "",
        "outcome": "it did not answer: no route",
    }


def test_keys_that_are_malformed_do_not_break_it(settings: Settings) -> None:
    settings.BACKUP_SIGNING_KEY, settings.BACKUP_ENCRYPTION_RECIPIENTS = "rubbish", ["age1rubbish"]
    page = page_at(a_client(VIEW), KEYS)
    assert page.section("signatures").status == "malformed"
    assert page.section("encryption").field("fingerprint").text == "malformed"


def test_an_identity_in_the_place_of_a_recipient_is_not_shown(settings: Settings) -> None:
    settings.BACKUP_ENCRYPTION_RECIPIENTS = [IDENTITY, IDENTITY[:-1]]
    page = page_at(a_client(VIEW), KEYS)
    assert page.section("encryption").fields("fingerprint") == ["malformed", "malformed"]
    assert IDENTITY[:-1] not in page.html


def test_it_is_for_those_who_may_see_backups_and_changes_nothing() -> None:
    assert a_client("view_backupdestination", name="eve").get(KEYS).status_code == 403
    assert a_client(VIEW, name="ann").post(KEYS).status_code == 405


def test_the_page_of_a_backup_names_the_keys_that_open_it() -> None:
    execution = an_execution("shop", encryption="age", recipients=["0123456789abcdef"])
    page = page_at(a_client(VIEW), f"/admin/backups/backupexecution/{execution.pk}/change/")
    assert page.facts("encryption", "recipients") == {"encryption": "age", "recipients": "0123456789abcdef"}


def test_the_list_of_backups_leads_there() -> None:
    assert page_at(a_client(VIEW), "/admin/backups/backupexecution/").action("keys")["href"] == KEYS
