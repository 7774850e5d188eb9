"""The one function that takes secrets out of texts."""

import logging
from html import escape

import pytest
from pytest_django import Settings

from backups.errors import BackupError
from backupsite.logs import RedactingFormatter
from destinations.exceptions import DestinationError
from destinations.lib.redaction import HIDDEN, redact, remember
from destinations.secrets import seal, unseal

CANARY = 'canary words, with "quotes" & ümlauts'


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("password=hunter2 user=bob", f"password={HIDDEN} user=bob"),
        ("db_password: 'hunter two', port: 1", f"db_password: {HIDDEN}, port: 1"),
        ('{"api_key": "abc def", "n": 1}', f'{{"api_key": {HIDDEN}, "n": 1}}'),
        ("gpg --batch --passphrase hunter2 --decrypt", f"gpg --batch --passphrase {HIDDEN} --decrypt"),
        ("client --db-password 'hunter two' x", f"client --db-password {HIDDEN} x"),
        (
            "Command ['gpg', '--passphrase', 'hunter2'] timed out",
            f"Command ['gpg', '--passphrase', {HIDDEN}] timed out",
        ),
        ("gpg --passphrase-file /etc/key --passphrase-fd 3", "gpg --passphrase-file /etc/key --passphrase-fd 3"),
        ("https://bob:hunter2@example.org/x", f"https://{HIDDEN}@example.org/x"),
        ("redis://:hunter2@localhost", f"redis://:{HIDDEN}@localhost"),
        ("AGE-SECRET-KEY-1QQQQ and age1qqqq", f"{HIDDEN} and age1qqqq"),
        ("x AGE-SECRET-KEY-PQ-1QQQQ", f"x {HIDDEN}"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nrest", f"{HIDDEN}\nrest"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE", HIDDEN),
        ("nothing to hide: 5 tokens of secrets", "nothing to hide: 5 tokens of secrets"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str, redacted: str) -> None:
    assert redact(text) == redacted


@pytest.mark.parametrize(
    "name", ["BACKUP_ENCRYPTION_PASSPHRASE", "SECRET_KEY", "BACKUP_ENCRYPTION_OLD_PASSPHRASES", "BACKUP_SECRETS_KEY"]
)
def test_configured_secrets_are_hidden_by_their_value_however_they_are_spelt(settings: Settings, name: str) -> None:
    setattr(settings, name, [CANARY] if name.endswith("S") or "SECRETS" in name else CANARY)
    spelt = [CANARY, 'canary words, with \\"quotes\\" & \\u00fcmlauts', "canary%20words%2C%20with%20%22quotes%22%20%26"]
    spelt[2] += "%20%C3%BCmlauts"
    spelt += [CANARY.replace('"', '\\"'), escape(CANARY), escape(repr(CANARY)), repr(CANARY)]
    assert "canary" not in redact("; ".join(spelt))


def test_the_signing_key_is_hidden_in_part_and_as_a_whole(settings: Settings) -> None:
    secret = settings.BACKUP_SIGNING_KEY.splitlines()[1]
    assert redact(f"it says {secret}!") == f"it says {HIDDEN}!"


def test_a_secret_that_was_taken_out_of_its_safe_is_hidden_from_then_on() -> None:
    unseal(seal("canary-unsealed-1f3c"))
    assert redact("login failed with canary-unsealed-1f3c") == f"login failed with {HIDDEN}"


def test_a_longer_secret_is_hidden_before_the_shorter_one_in_it() -> None:
    remember("canary-short", "canary-short-and-long")
    assert redact("canary-short-and-long canary-short") == f"{HIDDEN} {HIDDEN}"


def test_secrets_too_short_to_tell_from_words_are_left_alone() -> None:
    remember("a", "", "the")
    assert redact("the cat and a dog") == "the cat and a dog"


def test_errors_hide_secrets_before_anybody_sees_them(settings: Settings) -> None:
    settings.BACKUP_ENCRYPTION_PASSPHRASE = CANARY
    for error in (BackupError(f"no: {CANARY}", hint=CANARY), DestinationError(f"no: {CANARY}", CANARY)):
        assert "canary" not in f"{error!r} {error} {error.message} {error.hint}"


def test_the_log_hides_secrets_in_messages_arguments_and_tracebacks(settings: Settings) -> None:
    settings.BACKUP_ENCRYPTION_PASSPHRASE = CANARY
    try:
        raise ValueError(f"a library says {CANARY}")
    except ValueError as error:
        record = logging.LogRecord(
            "x", logging.ERROR, "f", 1, "said %s", (CANARY,), (type(error), error, error.__traceback__)
        )
    line = RedactingFormatter("{levelname} {message}", style="{").format(record)
    assert line.startswith(f"ERROR said {HIDDEN}\nTraceback")
    assert "canary" not in line


def test_the_site_logs_through_it(settings: Settings) -> None:
    assert settings.LOGGING["formatters"]["line"]["()"] == "backupsite.logs.RedactingFormatter"
    assert {handler["formatter"] for handler in settings.LOGGING["handlers"].values()} == {"line"}
