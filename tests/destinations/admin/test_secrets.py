"""A secret goes in by a form and never comes out again."""

import logging
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.contrib.admin.models import LogEntry
from django.test import Client
from pytest_django import Settings

from destinations.models import BackupDestination
from tests.support.pages.parsed import Page
from tests.support.secret_destination import CANARIES, KEY, PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("vault_type", "backup_root")]

LIST = "/admin/destinations/backupdestination/"
ADD = f"{LIST}add/?type=vault"
FORM = {"name": "offsite", "enabled": "on", "retention_days": "", "option_path": "", "option_port": "22"}


@pytest.fixture
def client(admin_client: Client) -> Client:
    return admin_client


def add(client: Client) -> BackupDestination:
    client.post(ADD, {**FORM, "option_password": PASSWORD, "option_key": KEY})
    return BackupDestination.objects.get()


def seen(client: Client, url: str, data: dict[str, str] | None = None) -> Page:
    """Return the page, whatever its status is."""
    response = client.get(url) if data is None else client.post(url, data, follow=True)
    return Page(response.content.decode())


def test_the_canary_is_on_no_page_in_no_history_and_in_no_log(
    client: Client, caplog: pytest.LogCaptureFixture, backup_root: Path
) -> None:
    with caplog.at_level(logging.DEBUG):
        row = add(client)
        change = f"{LIST}{row.pk}/change/"
        secrets = {"option_password": PASSWORD, "option_key": KEY}
        pages = [
            seen(client, LIST),
            seen(client, change),
            seen(client, change, {**FORM, **secrets, "name": "not a name"}),
            seen(client, ADD, {**FORM, **secrets, "name": "other", "option_path": "/etc"}),
            seen(client, ADD, {**FORM, **secrets, "name": "other", "option_key": "no canary-key-9b2e"}),
            seen(client, change, {**FORM, **secrets, "_continue": "1"}),
            seen(client, f"{LIST}{row.pk}/test/", {}),
            seen(client, f"{LIST}{row.pk}/history/"),
            seen(client, f"{LIST}{row.pk}/delete/"),
        ]
    assert all("offsite" in page.text for page in (pages[0], *pages[5:]))
    assert pages[6].messages() == ["success"]
    history = " ".join(entry.change_message for entry in LogEntry.objects.all())
    for canary in CANARIES:
        assert not [page for page in pages if canary in page.html]
        assert canary not in history + caplog.text + str(row.config_json)
    assert LogEntry.objects.count() == 3


def test_a_secret_left_blank_stays_as_it_is(client: Client) -> None:
    row = add(client)
    seen(client, f"{LIST}{row.pk}/change/", {**FORM, "option_port": "2222", "option_password": "", "option_key": ""})
    options = BackupDestination.objects.get().options()
    assert options == {"path": "offsite", "port": 2222, "password": PASSWORD, "key": KEY}


def test_a_secret_entered_again_is_replaced_and_the_history_names_the_field_only(client: Client) -> None:
    row = add(client)
    seen(client, f"{LIST}{row.pk}/change/", {**FORM, "option_password": "canary-new", "option_key": ""})
    options = BackupDestination.objects.get().options()
    assert (options["password"], options["key"]) == ("canary-new", KEY)
    message = LogEntry.objects.filter(action_flag=2).get().change_message
    assert "password" in message.lower() and "canary" not in message


def test_a_required_secret_is_asked_for_when_there_is_none_yet(client: Client) -> None:
    assert list(seen(client, ADD, {**FORM, "option_password": ""}).faults()) == ["option_password"]
    assert not BackupDestination.objects.exists()


def test_a_secret_under_a_lost_key_is_named_and_can_be_entered_again(client: Client, settings: Settings) -> None:
    row = add(client)
    settings.BACKUP_SECRETS_KEY = [Fernet.generate_key().decode()]
    url = f"{LIST}{row.pk}/change/"
    location = seen(client, url).one(class_="field-location")
    assert "of destination 'offsite' cannot be read" in location.text
    faults = seen(client, url, {**FORM, "option_password": "", "option_key": ""}).faults()
    assert any("cannot be read" in said for said in faults.values())
    assert "cannot be read" in seen(client, f"{LIST}{row.pk}/test/", {}).message("error")
    seen(client, url, {**FORM, "option_password": PASSWORD, "option_key": KEY})
    assert BackupDestination.objects.get().options()["password"] == PASSWORD
