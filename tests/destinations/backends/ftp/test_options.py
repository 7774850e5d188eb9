"""Options: those of the TACACS+ server work or are refused by name, and wrong ones are named."""

from typing import Any

import pytest

from destinations.backends.ftp import FtpDestination
from destinations.exceptions import DestinationConfigError

LOGIN = {"host": "ftp.example.org", "username": "backup", "password": "canary-99", "base_path": "/srv/backups"}
FINGERPRINT = "ab" * 32


def cleaned(**options: Any) -> dict[str, Any]:
    return FtpDestination.clean(LOGIN | options)


@pytest.mark.parametrize(
    ("given", "encryption", "port"),
    [
        ({}, "explicit", 21),
        ({"encryption": "implicit"}, "implicit", 990),
        ({"encryption": "none"}, "none", 21),
        ({"encryption": "implicit", "port": "2990"}, "implicit", 2990),
        # as the TACACS+ server has it
        ({"use_tls": True}, "explicit", 990),
        ({"use_tls": "true", "port": "21", "passive": "true", "verify_ssl": "true", "timeout": "30"}, "explicit", 21),
        ({"use_tls": "false"}, "none", 21),
        ({"use_tls": "true", "encryption": "implicit"}, "implicit", 990),
    ],
)
def test_encryption_and_port(given: dict[str, Any], encryption: str, port: int) -> None:
    options = cleaned(**given)
    assert (options["encryption"], options["port"]) == (encryption, port)
    # what is stored is taken again
    assert FtpDestination.clean(options) == options


@pytest.mark.parametrize(
    ("given", "option", "instead"),
    [
        ({"verify_ssl": "false"}, "verify_ssl", "certificate_fingerprint"),
        ({"verify_ssl": "perhaps"}, "verify_ssl", "true or false"),
        ({"local_root": "/srv"}, "local_root", "Leave it out"),
        ({"use_tls": "true", "encryption": "none"}, "use_tls", "encryption"),
        ({"use_tls": "false", "encryption": "explicit"}, "use_tls", "encryption"),
        ({"encryption": "ssl"}, "encryption", "explicit"),
        ({"encryption": "none", "ca_file": "/etc/ca.pem"}, "ca_file", "encryption"),
        ({"ca_file": "ca.pem"}, "ca_file", "full path"),
        ({"ca_file": "/etc/ca.pem", "certificate_fingerprint": FINGERPRINT}, "ca_file", "one of them"),
        ({"certificate_fingerprint": "ab:cd"}, "certificate_fingerprint", "64 digits"),
        ({"host": "ftp://ftp.example.org"}, "host", "scheme"),
        ({"base_path": "../etc"}, "base_path", ".."),
        ({"base_path": "/"}, "base_path", "folder"),
        ({"password": "canary-99\r\nDELE x"}, "password", "again"),
    ],
)
def test_what_is_wrong_is_named_with_what_to_do(given: dict[str, Any], option: str, instead: str) -> None:
    with pytest.raises(DestinationConfigError) as caught:
        cleaned(**given)
    assert caught.value.option == option
    assert instead in caught.value.hint
    assert "canary" not in caught.value.text


@pytest.mark.parametrize(
    "text",
    [
        FINGERPRINT,
        FINGERPRINT.upper(),
        ":".join(["AB"] * 32),
        f"sha256 Fingerprint={':'.join(['AB'] * 32)}",
        f"SHA256:{FINGERPRINT}",
    ],
)
def test_a_fingerprint_is_taken_as_every_program_writes_it(text: str) -> None:
    assert cleaned(certificate_fingerprint=text)["certificate_fingerprint"] == ":".join(["AB"] * 32)


def test_the_way_of_encryption_is_not_another_place() -> None:
    one, other = FtpDestination(LOGIN), FtpDestination({**LOGIN, "encryption": "none"})
    assert one.is_same_place(other)
    assert not one.is_same_place(FtpDestination({**LOGIN, "base_path": "srv/backups"}))
