"""Parsing of identities and recipients: files of age-keygen are read, errors quote no secret."""

import hashlib
import io
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.archive import age
from backups.archive.age.bech32 import _CHARSET, _expand, _polymod, decode_bech32, encode_bech32
from tests.support.archives.age_files import (
    IDENTITY,
    OTHER_RECIPIENT,
    PASSPHRASE,
    RECIPIENT,
    decrypt,
    encrypt,
    opened,
    sealed,
)
from tests.support.programs import require

# The example keys of the specification.
SPECIFIED_IDENTITY = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
SPECIFIED_RECIPIENT = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"
POST_QUANTUM_IDENTITY = "AGE-SECRET-KEY-PQ-1HZLGZUPT4ETPKDEV8HSGFDCYZ4E522W0A7PU2LHT8EH9W6YLNC3SW78XKG"


def test_the_recipient_of_the_specified_identity_is_the_specified_one() -> None:
    assert age.recipient_of(SPECIFIED_IDENTITY) == SPECIFIED_RECIPIENT


def test_a_generated_identity_is_known_to_age_keygen(tmp_path: Path) -> None:
    identity, recipient = age.generate_identity()
    path = tmp_path / "identity.txt"
    path.write_text(age.format_identity_file(identity, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)))
    assert path.read_text() == f"# created: 2026-01-02T03:04:05Z\n# public key: {recipient}\n{identity}\n"
    shown = subprocess.run([require("age-keygen"), "-y", path], capture_output=True, check=True, text=True).stdout
    assert shown.strip() == recipient == age.recipient_of(identity)
    assert age.parse_identity_file(path.read_text()) == (identity,)


def test_an_identity_file_of_age_keygen_is_read(tmp_path: Path) -> None:
    path = tmp_path / "identity.txt"
    subprocess.run([require("age-keygen"), "-o", path], capture_output=True, check=True)
    (identity,) = age.parse_identity_file(path.read_text())
    assert opened(sealed(b"x", age.recipient_of(identity)), identity) == b"x"


def test_several_identities_comments_and_blank_lines_make_one_file() -> None:
    text = f"# new\r\n{IDENTITY}\r\n\r\n  # old\n{SPECIFIED_IDENTITY}\n\n{POST_QUANTUM_IDENTITY}"
    assert age.parse_identity_file(text) == (IDENTITY, SPECIFIED_IDENTITY, POST_QUANTUM_IDENTITY)


@pytest.mark.parametrize(
    "text",
    [
        IDENTITY[:-1],
        IDENTITY.lower(),
        IDENTITY.capitalize(),
        IDENTITY.replace("1", "2", 1),
        RECIPIENT,
        encode_bech32("age-secret-key-", bytes(31)).upper(),
        encode_bech32("age-secret-key-pq-", bytes(33)).upper(),
        encode_bech32("age-plugin-", bytes(32)).upper(),
        "AGE-SECRET-KEY-1\u00e9",
    ],
)
def test_a_wrong_identity_is_refused_by_its_line_and_never_repeated(text: str) -> None:
    with pytest.raises(age.AgeKeyError) as caught:
        age.parse_identity_file(f"# a comment\n\n{text}\n")
    assert caught.value.message.startswith("Line 3 of the identity file: ")
    assert text not in f"{caught.value!r} {caught.value.hint}"
    with pytest.raises(age.AgeKeyError) as caught:
        opened(sealed(b"x", RECIPIENT), text)
    assert text not in f"{caught.value!r} {caught.value.hint}"


def test_an_identity_file_without_an_identity_is_refused() -> None:
    with pytest.raises(age.AgeKeyError, match="holds no identity"):
        age.parse_identity_file("# nothing\n")


def test_a_post_quantum_identity_has_no_recipient_to_write_to() -> None:
    with pytest.raises(age.AgeKeyError, match="no X25519 recipient"):
        age.recipient_of(POST_QUANTUM_IDENTITY)


@pytest.mark.parametrize(
    "text",
    [
        "age1",
        RECIPIENT.upper(),
        RECIPIENT[:-1] + ("q" if RECIPIENT[-1] != "q" else "p"),
        encode_bech32("age1pq", bytes(1216)),
        encode_bech32("age", bytes(31)),
        encode_bech32("age", bytes(32)),
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO",
    ],
)
def test_a_wrong_recipient_is_refused_by_name(text: str) -> None:
    with pytest.raises(age.AgeKeyError) as caught:
        sealed(b"x", RECIPIENT, text)
    assert repr(text) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("secret", [IDENTITY, IDENTITY[:-1], IDENTITY.lower(), PASSPHRASE, "AGE-PLUGIN-YUBIKEY-1Q"])
def test_a_secret_in_the_place_of_a_recipient_is_refused_and_never_repeated(secret: str) -> None:
    with pytest.raises(age.AgeKeyError) as caught:
        sealed(b"x", secret)
    assert secret not in f"{caught.value!r} {caught.value.hint}"
    assert "age-keygen" in caught.value.hint


@pytest.mark.parametrize("thing", ["", None, b"age1", 7])
def test_what_is_no_text_at_all_is_refused_like_any_other_key(thing: Any) -> None:
    for arguments in ({"recipients": [thing]}, {"passphrase": thing} if thing is not None else {}):
        with pytest.raises(age.AgeKeyError):
            encrypt(io.BytesIO(b"x"), io.BytesIO(), **arguments)
    for keys in ({"identities": [thing]}, {"passphrases": [thing]}):
        with pytest.raises(age.AgeKeyError):
            decrypt(io.BytesIO(sealed(b"x", RECIPIENT)), io.BytesIO(), **keys)


def test_a_letter_that_only_looks_like_ascii_is_refused() -> None:
    kelvin = IDENTITY.replace("K", "\N{KELVIN SIGN}")
    assert kelvin.lower() == IDENTITY.lower()
    with pytest.raises(age.AgeKeyError):
        opened(sealed(b"x", RECIPIENT), kelvin)


def test_keys_that_contradict_each_other_or_are_missing_are_refused() -> None:
    for arguments in ({"recipients": [RECIPIENT], "passphrase": PASSPHRASE}, {}, {"passphrase": ""}):
        with pytest.raises(age.AgeKeyError):
            age.EncryptingWriter(io.BytesIO(), **arguments)


def test_one_text_in_place_of_a_list_is_refused() -> None:
    with pytest.raises(age.AgeKeyError, match="not one string"):
        encrypt(io.BytesIO(), io.BytesIO(), recipients=RECIPIENT)
    with pytest.raises(age.AgeKeyError, match="not one string"):
        decrypt(io.BytesIO(sealed(b"x", RECIPIENT)), io.BytesIO(), identities=IDENTITY)


def test_a_passphrase_that_is_not_text_is_refused_without_repeating_it() -> None:
    with pytest.raises(age.AgeKeyError) as caught:
        sealed(b"x", passphrase="secret\ud800")
    assert "secret" not in f"{caught.value!r} {caught.value.hint}"


def test_more_recipients_than_a_header_may_hold_are_refused() -> None:
    recipients = [encode_bech32("age", number.to_bytes(32, "little")) for number in range(9, 3009)]
    with pytest.raises(age.AgeHeaderError, match="3000 recipients"):
        sealed(b"x", *recipients)


def test_the_fingerprint_is_what_stock_tools_print() -> None:
    assert age.fingerprint(RECIPIENT) == hashlib.sha256(RECIPIENT.encode()).hexdigest()[:16]
    assert age.fingerprint(RECIPIENT) != age.fingerprint(OTHER_RECIPIENT)
    with pytest.raises(age.AgeKeyError):
        age.fingerprint(IDENTITY.lower())


# From BIP 173; its limit of 90 characters does not hold for age.
VALID = [
    "A12UEL5L",
    "a12uel5l",
    "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs",
    "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw",
    "?1ezyfcl",
]
INVALID = [
    "\x201nwldj5",
    "\x7f1axkwrx",
    "\x801eym55h",
    "pzry9x0s0muk",
    "1pzry9x0s0muk",
    "x1b4n0q5v",
    "li1dgmt3",
    "de1lg7wt\xff",
    "A1G7SGD8",
    "10a06t8",
    "1qzzfhee",
    "A12uEL5L",
]


@pytest.mark.parametrize("text", VALID)
def test_valid_bech32_is_decoded_and_encoded_again(text: str) -> None:
    assert encode_bech32(*decode_bech32(text)) == text.lower()


@pytest.mark.parametrize("text", INVALID)
def test_invalid_bech32_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Bech32|case|checksum"):
        decode_bech32(text)


@pytest.mark.parametrize("values", [[0, 1], [0, 0, 0], [31] * 7 + [30, 0]])
def test_bech32_with_bits_left_over_is_refused(values: list[int]) -> None:
    checksum = _polymod(_expand("age") + values + [0] * 6) ^ 1
    values = values + [checksum >> 5 * (5 - place) & 31 for place in range(6)]
    with pytest.raises(ValueError, match="padding"):
        decode_bech32("age1" + "".join(_CHARSET[value] for value in values))


@given(st.binary(max_size=200))
def test_bech32_gives_back_what_it_was_given(data: bytes) -> None:
    assert decode_bech32(encode_bech32("age", data)) == ("age", data)
