"""Destinations on an SSH server, added by form and by command: the host key is shown, compared and accepted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from destinations.backends.sftp import host_keys
from destinations.models import BackupDestination
from tests.destinations.servers.sftp.test_host_keys import another
from tests.support.call_commands import command, refused
from tests.support.pages.destination_pages import page, shown
from tests.support.pages.parsed import Page
from tests.support.servers.proxy import Proxy
from tests.support.servers.running.accounts import FULL
from tests.support.servers.sshd import Sshd

pytestmark = pytest.mark.django_db
ADD = "/admin/destinations/backupdestination/add/?type=sftp"


def fingerprint(line: str) -> str:
    return host_keys.parse(line)[0].fingerprint


@pytest.fixture
def words(sshd: Sshd, apart: str, tmp_path: Path) -> list[str]:
    """Return the words of a command that adds the server, without its host key."""
    (tmp_path / "password").write_text(sshd.password)
    options = {"host": sshd.host, "port": sshd.port, "username": FULL, "base_path": apart}
    pairs = [word for key, value in options.items() for word in ("--option", f"{key}={value}")]
    return ["adddestination", "nas", "--type", "sftp", *pairs, "--option-file", f"password={tmp_path / 'password'}"]


@pytest.fixture
def form(sshd: Sshd, apart: str) -> dict[str, Any]:
    return {
        "name": "nas",
        "enabled": "on",
        "option_host": sshd.host,
        "option_port": sshd.port,
        "option_username": FULL,
        "option_password": sshd.password,
        "option_base_path": apart,
        "option_timeout": 30,
        "option_read_back": "on",
    }


@pytest.fixture
def operator(staff: Callable[..., Client]) -> Client:
    return staff("add_backupdestination", "change_backupdestination", "view_backupdestination")


def offered(found: Page) -> str:
    """Return the fingerprint that the form asks a person to compare."""
    return found.notice("key-offered")["data-fingerprint"]


def test_the_command_shows_the_host_key_and_takes_it_once_it_is_accepted(sshd: Sshd, words: list[str]) -> None:
    key = sshd.public_host_key("ed25519")
    said = refused(*words)
    assert f"ED25519 {fingerprint(key)}" in said
    assert "--accept-host-key" in said and repr(key) in said
    assert not BackupDestination.objects.exists()
    ended = command(*words, "--accept-host-key", fingerprint(key), "--json")
    assert ended.data["tested"] is True
    assert BackupDestination.objects.get().options()["host_key"] == key


def test_the_command_takes_no_other_key_than_the_accepted_one(sshd: Sshd, words: list[str]) -> None:
    accepted = fingerprint(another())
    said = refused(*words, "--accept-host-key", accepted)
    assert accepted in said and fingerprint(sshd.public_host_key("ed25519")) in said
    assert not BackupDestination.objects.exists()


def test_the_command_untested_asks_no_server_and_wants_the_key(sshd: Sshd, words: list[str]) -> None:
    assert "Neither 'host_key' nor 'known_hosts_file'" in refused(*words, "--untested")
    key = sshd.public_host_key("rsa")
    assert command(*words, "--untested", "--option", f"host_key={key}").code == 0
    row = BackupDestination.objects.get()
    assert (row.enabled, row.options()["host_key"]) == (False, key)


def test_a_changed_key_is_an_alarm_of_the_test(sshd: Sshd, words: list[str]) -> None:
    pinned = another()
    assert command(*words, "--untested", "--option", f"host_key={pinned}").code == 0
    ended = command("testdestination", "nas")
    assert ended.code == 1
    assert fingerprint(pinned) in ended.err and fingerprint(sshd.public_host_key("ed25519")) in ended.err


def test_the_form_fetches_the_key_by_host_and_port_alone(sshd: Sshd, operator: Client) -> None:
    found = shown(
        operator, ADD, {"option_host": sshd.host, "option_port": sshd.port, "option_timeout": 30, "_fetch_key": "1"}
    )
    assert offered(found) == fingerprint(sshd.public_host_key("ed25519"))
    assert list(found.faults()) == ["option_host_key"]
    assert found.inputs("option_host_key_accept", type="checkbox") == [sshd.public_host_key("ed25519")]
    assert found.ticked("option_host_key_accept") == []


def test_the_form_is_not_saved_before_the_key_was_compared(sshd: Sshd, operator: Client, form: dict[str, Any]) -> None:
    found = shown(operator, ADD, form)
    assert offered(found) == fingerprint(sshd.public_host_key("ed25519"))
    assert sshd.password not in found.html
    assert not BackupDestination.objects.exists()
    key = found.inputs("option_host_key_accept", type="checkbox")[0]
    assert operator.post(ADD, form | {"option_host_key_accept": key}).status_code == 302
    assert BackupDestination.objects.get().options()["host_key"] == sshd.public_host_key("ed25519")


def test_a_key_of_ones_own_is_tested_and_another_one_is_the_alarm(
    sshd: Sshd, operator: Client, form: dict[str, Any]
) -> None:
    pinned = another()
    found = shown(operator, ADD, form | {"option_host_key": pinned})
    assert fingerprint(pinned) in found.html and fingerprint(sshd.public_host_key("ed25519")) in found.html
    assert not BackupDestination.objects.exists()


def test_a_pinned_key_is_replaced_only_by_a_tick(sshd: Sshd, operator: Client, form: dict[str, Any]) -> None:
    old = another()
    operator.post(ADD, {**form, "enabled": "", "option_host_key": old})
    row = BackupDestination.objects.get()
    asked = {**form, "option_password": "", "option_host_key": old}
    found = shown(operator, page(row, "change"), asked | {"_fetch_key": "1"})
    key = sshd.public_host_key("ed25519")
    assert offered(found) == fingerprint(key)
    assert found.one(data_field="pinned").one("li")["data-fingerprint"] == fingerprint(old)
    assert operator.post(page(row, "change"), asked | {"option_host_key_accept": key}).status_code == 302
    row.refresh_from_db()
    assert (row.enabled, row.options()["host_key"]) == (True, key)
    again = shown(operator, page(row, "change"), asked | {"option_host_key": key, "_fetch_key": "1"})
    assert again.notices() == ["key-known"]
    assert again.inputs("option_host_key_accept") == []


def test_a_server_that_is_not_there_is_an_error_at_the_key(operator: Client, form: dict[str, Any]) -> None:
    found = shown(operator, ADD, form | {"option_port": 1, "option_timeout": 1, "_fetch_key": "1"})
    assert "refused" in found.faults()["option_host_key"]
    found = shown(operator, ADD, form | {"option_host": "", "_fetch_key": "1"})
    assert list(found.faults()) == ["option_host"]


def test_a_form_with_faults_asks_no_server(operator: Client, form: dict[str, Any], proxy: Proxy) -> None:
    found = shown(operator, ADD, form | {"name": "", "option_port": proxy.port})
    assert list(found.faults()) == ["name"]
    assert proxy.connections == 0


def test_who_may_only_look_fetches_nothing(staff: Callable[..., Client], form: dict[str, Any], proxy: Proxy) -> None:
    data = form | {"option_port": proxy.port, "_fetch_key": "1"}
    assert staff("view_backupdestination").post(ADD, data).status_code == 403
    assert proxy.connections == 0


def test_the_first_button_of_the_form_saves_so_that_the_enter_key_does(operator: Client) -> None:
    buttons = [
        button["name"] for button in shown(operator, ADD).content.one("form", id="backupdestination_form").all("button")
    ]
    assert buttons[:2] == ["_save", "_fetch_key"]
