"""Masked configurations show no secret, wherever it is, but whether two are equal."""

import json

import pytest
from pytest_django import Settings

from backups.instances.masking import is_masked, masked, masked_value

SECRETS = [
    ("bind_password", "Hunter-22"),
    ("password_hash", "Hunter-22"),
    ("client_private_key", "Hunter-22"),
    ("radius_secret", "Hunter-22"),
    ("tacacs_key", "Hunter-22"),
    ("server", "ldap://svc:Hunter-22@ldap.example:389"),
    ("urls", "https://one.example/x, https://svc:Hunter-22@two.example/x"),
    ("urls", "https://Hunter-22@github.example/x"),
    ("urls", "https://hooks.example/x?channel=1&token=Hunter-22&more=2"),
    ("headers_json", '{"Authorization": "Bearer Hunter-22"}'),
    ("headers_json", '{"x": {"api_token": ["one", "Hunter-22"], "Hash": 7}}'),
    ("headers_json", '[{"url": "https://svc:Hunter-22@two.example/x"}]'),
    ("headers_json", '{"password": "Hunter-22"'),
    ("header", "Authorization: Basic Hunter-22"),
    ("login", "admin password=Hunter-22"),
    ("login", "$2b$12$Hunter-22"),
    ("identity", "AGE-SECRET-KEY-1HUNTER22"),
    ("pem", "-----BEGIN PRIVATE KEY-----\nHunter-22\n-----END PRIVATE KEY-----"),
]


@pytest.mark.parametrize(("key", "value"), SECRETS)
def test_a_secret_is_not_shown_wherever_it_stands(key: str, value: str) -> None:
    shown = masked_value(key, value)
    assert "hunter" not in shown.lower()
    assert "•••••• (" in shown
    assert is_masked(shown, key, value)
    assert not is_masked(shown, key, value.replace("2", "3"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("server", "ldap://localhost:389"),
        ("user", "svc@example.com"),
        ("rules_json", '[{"action":"permit",  "pattern":"show "}]'),
        ("headers_json", "{}"),
        ("hash_algorithm", "sha256"),
        ("token_endpoint", "https://idp.example/token"),
        ("bind_password", ""),
        ("note", "{not json"),
    ],
)
def test_what_is_no_secret_is_shown_as_it_is(key: str, value: str) -> None:
    assert masked_value(key, value) == value


def test_what_stands_around_a_secret_stays_readable() -> None:
    assert (
        masked_value("server", "ldap://svc:pw@host:389/x") == f"ldap://svc:{masked_value('password', 'pw')}@host:389/x"
    )
    assert json.loads(masked_value("h", '{"a": [1, true], "token": {"x": ["t", null, false]}}')) == {
        "a": [1, True],
        "token": {"x": [masked_value("password", "t"), None, False]},
    }


def test_json_that_is_too_deep_is_hidden_whole() -> None:
    assert masked_value("deep", "[" * 200_000) == masked_value("password", "[" * 200_000)


def test_a_text_with_a_secret_in_it_is_recognised_after_the_key_of_the_site_was_rotated(settings: Settings) -> None:
    value = "ldap://svc:Hunter-22@host"
    kept = masked({"ldap": {"server": value}})["ldap"]["server"]
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]
    assert is_masked(kept, "server", value)
