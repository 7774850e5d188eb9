"""Options: what is taken, in one spelling, and what is refused by name."""

from typing import Any

import pytest

from destinations.backends.webdav import WebdavDestination
from destinations.exceptions import DestinationConfigError

LOGIN = {"url": "https://cloud.example.org/dav/me", "username": "me", "password": "canary-99", "base_path": "backups"}
FINGERPRINT = "ab" * 32


def cleaned(**options: Any) -> dict[str, Any]:
    return WebdavDestination.clean(LOGIN | options)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("https://cloud.example.org/dav/me", "https://cloud.example.org/dav/me/"),
        ("https://Cloud.Example.org:443/dav/me//", "https://cloud.example.org/dav/me/"),
        ("http://10.0.0.1:8080", "http://10.0.0.1:8080/"),
        ("https://[fd00::1]:8443/größe 1", "https://[fd00::1]:8443/gr%C3%B6%C3%9Fe%201/"),
    ],
)
def test_an_address_is_kept_in_one_spelling(given: str, url: str) -> None:
    options = cleaned(url=given)
    assert options["url"] == url
    assert WebdavDestination.clean(options) == options


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"url": "cloud.example.org/dav"}, "url"),
        ({"url": "ftp://cloud.example.org/"}, "url"),
        ({"url": "https://me:canary-99@cloud.example.org/"}, "url"),
        ({"url": "https://cloud.example.org/?x=1"}, "url"),
        ({"url": "https://cloud.example.org/a/../b"}, "url"),
        ({"url": "https://cloud.example.org:99999/"}, "url"),
        ({"url": "http://cloud.example.org/", "ca_file": "/etc/ca.pem"}, "ca_file"),
        ({"ca_file": "/etc/ca.pem", "certificate_fingerprint": FINGERPRINT}, "ca_file"),
        ({"token": "canary-99"}, "token"),
        ({"token": "Bearer canary-99", "username": "", "password": ""}, "token"),
        ({"password": ""}, "password"),
        ({"username": ""}, "username"),
        ({"username": "a:b"}, "username"),
        ({"password": "canary-99\r\nHost: x"}, "password"),
        ({"base_path": "../x"}, "base_path"),
    ],
)
def test_what_is_wrong_is_named_with_what_to_do(given: dict[str, Any], option: str) -> None:
    with pytest.raises(DestinationConfigError) as caught:
        cleaned(**given)
    assert caught.value.option == option
    assert caught.value.hint
    assert "canary" not in caught.value.text


def test_two_spellings_are_one_place_and_http_is_warned_of() -> None:
    one = WebdavDestination(LOGIN)
    assert one.is_same_place(WebdavDestination({**LOGIN, "url": "https://CLOUD.example.org:443/dav/me/"}))
    assert not one.is_same_place(WebdavDestination({**LOGIN, "base_path": "other"}))
    assert not one.warnings()
    assert WebdavDestination({**LOGIN, "url": "http://cloud.example.org/"}).warnings()
