"""The options of SFTP destinations: what is taken, what is refused, and at which option."""

import base64
import struct

import pytest

from destinations.backends.sftp import SftpDestination
from destinations.exceptions import DestinationConfigError

pytest.importorskip("asyncssh")
BLOB = base64.b64encode(struct.pack(">I", 11) + b"ssh-ed25519" + struct.pack(">I", 32) + bytes(32)).decode()
KEY = f"ssh-ed25519 {BLOB}"
GIVEN = {"host": "nas.example.org", "username": "ada", "password": "canary-56", "host_key": KEY, "base_path": "site"}
PEM = "-----BEGIN OPENSSH PRIVATE KEY-----\ncanary-57\n-----END OPENSSH PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("host", "sftp://nas"),
        ("host", "ada@nas"),
        ("host", "nas:22"),
        ("port", 0),
        ("base_path", "../other"),
        ("base_path", "/"),
        ("base_path", "~ada/x"),
        ("base_path", "a\nb"),
        ("host_key", ""),
        ("host_key", "SHA256:tE9iICDLLqQnZgCo7fm2htuXMpL7pmT20MpP4fB4Yno"),
        ("host_key", KEY[:-8]),
        ("host_key", f"ssh-rsa {BLOB}"),
        ("host_key", "yes"),
        ("known_hosts_file", "known_hosts"),
        ("password", ""),
        ("private_key", "canary-58"),
        ("private_key", PEM.replace("-----END", "END")),
        ("private_key", "PuTTY-User-Key-File-3: canary-59"),
        ("private_key", KEY),
        ("authentication", "none"),
        ("host_key_verify", "false"),
        ("local_root", "/srv"),
        ("colour", "red"),
    ],
)
def test_what_is_wrong_is_said_at_its_option_without_any_secret(option: str, value: object) -> None:
    with pytest.raises(DestinationConfigError) as caught:
        SftpDestination(GIVEN | {option: value})
    assert caught.value.option == option or (option, caught.value.option) == ("known_hosts_file", "host_key")
    assert caught.value.hint
    assert "canary" not in caught.value.text


def test_one_way_to_recognise_the_server_is_given() -> None:
    with pytest.raises(DestinationConfigError, match="Both"):
        SftpDestination(GIVEN | {"known_hosts_file": "/etc/ssh/known_hosts"})
    SftpDestination(GIVEN | {"host_key": "", "known_hosts_file": "/etc/ssh/known_hosts"})


def test_options_of_the_tacacs_server_that_hold_anyway_are_taken() -> None:
    assert "host_key_verify" not in SftpDestination(GIVEN | {"host_key_verify": True}).options


@pytest.mark.parametrize(
    ("given", "location"),
    [
        ({}, "sftp://ada@nas.example.org:22/~/site"),
        ({"host": "NAS.example.org.", "base_path": "~/site/"}, "sftp://ada@nas.example.org:22/~/site"),
        ({"base_path": "//srv//site/"}, "sftp://ada@nas.example.org:22/srv/site"),
        ({"host": "[2001:DB8::1]", "port": 2222}, "sftp://ada@[2001:db8::1]:2222/~/site"),
    ],
)
def test_one_place_has_one_spelling(given: dict[str, object], location: str) -> None:
    assert SftpDestination(GIVEN | given).location() == location


def test_the_way_to_log_in_follows_from_what_is_given() -> None:
    assert SftpDestination(GIVEN).options["authentication"] == "password"
    assert SftpDestination(GIVEN | {"private_key": PEM}).options["authentication"] == "key"
    assert SftpDestination(GIVEN | {"private_key": "/etc/site/key", "password": ""}).options["authentication"] == "key"


def test_options_that_were_cleaned_are_clean() -> None:
    first = SftpDestination(GIVEN | {"host_key": f"# the key\r\nnas {KEY} comment\r\n"})
    assert first.options["host_key"] == KEY
    assert SftpDestination(first.options).options == first.options
