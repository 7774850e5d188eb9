"""Signing keys in their files."""

import pytest

from backups.archive.base64 import decode_base64, encode_base64
from backups.archive.minisign import PublicKey, SigningKey, SigningKeyError, parse_signing_key

# the same in every process of a parallel run, where the tests need the same names
KEY = SigningKey(bytes(range(1, 9)), bytes(range(32)))
FOREIGN_KEY = SigningKey(bytes(range(9, 17)), bytes(range(32, 64)))


def test_a_secret_key_survives_its_file() -> None:
    assert parse_signing_key(KEY.file_text, "site.key") == KEY


def test_a_secret_key_shows_itself_nowhere() -> None:
    assert repr(KEY.seed) not in repr(KEY)
    assert KEY.seed.hex() not in repr(KEY)


def changed_key(start: int, new: bytes) -> str:
    """Return the text of a secret key file with `new` at `start` of what its second line holds."""
    comment, line = KEY.file_text.splitlines()
    data = bytearray(decode_base64(line, padding=True))
    data[start : start + len(new)] = new
    return f"{comment}\n{encode_base64(bytes(data), padding=True)}\n"


@pytest.mark.parametrize(
    ("start", "new"), [(0, b"XX"), (4, b"XX"), (62, b"other seed"), (100, b"other public key"), (158, b"x")]
)
def test_a_damaged_secret_key_is_refused_by_the_name_of_where_it_comes_from(start: int, new: bytes) -> None:
    text = changed_key(start, new)
    with pytest.raises(SigningKeyError) as caught:
        parse_signing_key(text, "site.key")
    assert "site.key" in caught.value.message
    assert text.splitlines()[1] not in f"{caught.value!r} {caught.value.hint}"


def test_a_secret_key_with_a_password_is_refused_with_the_way_out() -> None:
    with pytest.raises(SigningKeyError, match="locked with a password") as caught:
        parse_signing_key(changed_key(2, b"Sc"), "site.key")
    assert caught.value.hint == "Remove the password with 'minisign -C -W -s site.key'."


@pytest.mark.parametrize("content", ["", "\xff\xfe", "untrusted comment: x\n", "untrusted comment: x\nRWQ=\n"])
def test_what_is_no_secret_key_is_refused(content: str) -> None:
    with pytest.raises(SigningKeyError, match="not a minisign secret key"):
        parse_signing_key(content, "site.key")


@pytest.mark.parametrize(
    "text",
    ["", "RW", KEY.public_key.text[:-4], KEY.public_key.text.lower(), "A" * 56, "ä"],
    ids=["empty", "begun", "cut", "lower case", "of another algorithm", "not ASCII"],
)
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(SigningKeyError, match="not a minisign public key"):
        PublicKey.parse(text)
