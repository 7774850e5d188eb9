"""Names of secrets count word by word, as services spell them; what only contains such a word does not."""

import pytest

from destinations.lib.redaction import HIDDEN, redact
from destinations.lib.secret_names import is_private_variable, is_secret_name

NAMES = (
    "smtp_pass", "SMTP_AUTH_PASS", "bind_pw", "bindpw", "rootpw", "dbpass", "DbPass", "smtpPass", "pwd",
    "MYSQL_PWD", "PGPASSWORD", "SSHPASS", "snmp_community", "rocommunity", "totp_seed", "pin", "card-pin", "simPin",
    "AWS_SECRET_ACCESS_KEY", "aws_session_token", "AccountKey", "PresharedKey", "requirepass", "masterauth",
    "REDISCLI_AUTH", "api_key_2", "X-Api-Key", "clientSecret", "DJANGO_SECRET_KEY", "nonce_salt", "recovery_codes",
)  # fmt: skip
OTHERS = (
    "shipping", "shipping_cost", "tokenizer", "detokenize", "pinned", "spinner", "opinion", "compass", "bypass",
    "passive", "passenger", "keyboard", "monkey", "author", "authority", "rehash", "hashing", "cookiecutter",
    "seedling", "community_edition", "key_size", "public_key", "primary_key", "password_min_length", "token_ttl",
    "session_cookie_name", "secret_file", "totp_enabled", "path",
)  # fmt: skip
TEXTS = (
    ("Server=db;Uid=sa;Pwd=Hunter 22;Database=x", f"Server=db;Uid=sa;Pwd={HIDDEN};Database=x"),
    ("postgres://backup:Hunter/22?@db.example/site", f"postgres://backup:{HIDDEN}@db.example/site"),
    ("mysql://root:Hun#ter22@db/x and more", f"mysql://root:{HIDDEN}@db/x and more"),
    ("https://Hunter22:x-oauth-basic@github.example/x", f"https://{HIDDEN}@github.example/x"),
    ("GET /x?a=1&api_key=Hunter22&b=2", f"GET /x?a=1&api_key={HIDDEN}&b=2"),
    ("{'password' => 'Hunter 22', 'x' => 1}", f"{{'password' => {HIDDEN}, 'x' => 1}}"),
    ("<dbpass>Hunter 22</dbpass><x>1</x>", f"<dbpass>{HIDDEN}</dbpass><x>1</x>"),
    (r'{"out": "line\npin=Hunter22"}', rf'{{"out": "line\npin={HIDDEN}'),
    ('"pin": "Hunter22", "n": 1', f'"pin": {HIDDEN}, "n": 1'),
    ("Authorization: Token Hunter22", f"Authorization: Token {HIDDEN}"),
    ("-----BEGIN PGP PRIVATE KEY BLOCK-----\nHunter22\n-----END PGP PRIVATE KEY BLOCK-----.", f"{HIDDEN}."),
    ("used ghp_Hunter22Hunter22Hunter22 to push", f"used {HIDDEN} to push"),
    ("user eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJIdW50ZXIifQ.Hunter22-x is in", f"user {HIDDEN} is in"),
    ("root:$6$salt$Hunter22 x", f"root:{HIDDEN} x"),
    ("to https://hooks.slack.com/services/T0/B0/Hunter22", f"to https://hooks.slack.com/services/{HIDDEN}"),
)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_services_use_is_that_of_a_secret(name: str) -> None:
    assert is_secret_name(name)
    assert name == "pwd" or is_private_variable(name)
    assert redact(f"a {name}=Hunter22 b") == f"a {name}={HIDDEN} b"


@pytest.mark.parametrize("name", OTHERS)
def test_a_name_that_only_contains_such_a_word_is_none(name: str) -> None:
    assert not is_secret_name(name)
    assert redact(f"a {name}=Hunter22 b") == f"a {name}=Hunter22 b"


@pytest.mark.parametrize(("text", "redacted"), TEXTS)
def test_a_secret_is_hidden_as_services_write_it(text: str, redacted: str) -> None:
    assert redact(text) == redacted
    assert redact(redacted) == redacted


@pytest.mark.parametrize(
    "text", ["https://h.example:80/x?mail=a@b", "ldap://h:389/x", "pin: kept on purpose", "Foo::token::x", "a <b> c"]
)
def test_what_holds_no_secret_stays_as_it_is(text: str) -> None:
    assert redact(text) == text
