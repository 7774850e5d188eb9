"""Signatures of ours and of the minisign program, each verified by the other."""

import copy
import hashlib
import subprocess
from pathlib import Path

import pytest

from backups.archive.minisign import (
    BadSignatureError,
    MalformedSignatureError,
    PublicKey,
    SignatureError,
    SigningKey,
    UnknownSignerError,
    VerifiedBy,
    file_digest,
    new_digest,
    parse_signing_key,
    sign_digest,
    verify_digest,
)
from tests.support.programs import require

# the same in every process of a parallel run, where the tests need the same names
KEY = SigningKey(bytes(range(1, 9)), bytes(range(32)))
FOREIGN_KEY = SigningKey(bytes(range(9, 17)), bytes(range(32, 64)))
COMMENT = "backup-demo-20260102-030405-manual.tar.gz.age"


def minisign(folder: Path, *arguments: str | Path, check: bool = True) -> str:
    result = subprocess.run(
        [require("minisign"), *arguments], cwd=folder, input="", capture_output=True, check=check, text=True, timeout=60
    )
    return result.stdout + result.stderr


def sign_file(path: Path, key: SigningKey, trusted_comment: str) -> str:
    return sign_digest(file_digest(path), key, trusted_comment)


def verify_file(path: Path, text: str | bytes, keys: list[PublicKey]) -> VerifiedBy:
    return verify_digest(file_digest(path), text, keys)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "archive"
    path.write_bytes(bytes(range(256)) * 10_000)
    return path


@pytest.fixture
def program_key(tmp_path: Path) -> PublicKey:
    """A key without a password, made by the program beside the archive: program.key and program.pub."""
    minisign(tmp_path, "-G", "-W", "-p", "program.pub", "-s", "program.key")
    return PublicKey.parse((tmp_path / "program.pub").read_text())


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_minisign_verifies_what_we_sign(tmp_path: Path, size: int) -> None:
    archive = tmp_path / "archive"
    archive.write_bytes(bytes(size))
    (tmp_path / "archive.minisig").write_text(sign_file(archive, KEY, COMMENT))
    said = minisign(tmp_path, "-V", "-H", "-m", "archive", "-P", KEY.public_key.text)
    assert said == f"Signature and comment signature verified\nTrusted comment: {COMMENT}\n"
    (tmp_path / "site.pub").write_text(KEY.public_key.file_text)
    assert minisign(tmp_path, "-Vm", "archive", "-p", "site.pub") == said


def test_minisign_refuses_our_signature_of_another_file(tmp_path: Path, archive: Path) -> None:
    (tmp_path / "archive.minisig").write_text(sign_file(archive, KEY, COMMENT))
    archive.write_bytes(b"another")
    said = minisign(tmp_path, "-Vm", "archive", "-P", KEY.public_key.text, check=False)
    assert "Signature verification failed" in said


def test_we_verify_what_minisign_signs(tmp_path: Path, archive: Path, program_key: PublicKey) -> None:
    minisign(tmp_path, "-S", "-s", "program.key", "-m", "archive", "-t", "what it says\tand more")
    text = (tmp_path / "archive.minisig").read_bytes()
    verified = verify_file(archive, text, [KEY.public_key, program_key])
    assert verified.key == program_key
    assert verified.trusted_comment == "what it says\tand more"
    assert verify_file(archive, text.replace(b"\n", b"\r\n"), [program_key]) == verified


def test_a_signature_of_the_legacy_kind_is_refused_with_the_way_out(
    tmp_path: Path, archive: Path, program_key: PublicKey
) -> None:
    minisign(tmp_path, "-S", "-l", "-s", "program.key", "-m", "archive")
    with pytest.raises(MalformedSignatureError, match="legacy") as caught:
        verify_file(archive, (tmp_path / "archive.minisig").read_text(), [program_key])
    assert "minisign -S -H" in caught.value.hint


def test_a_secret_key_of_minisign_signs_for_us(tmp_path: Path, archive: Path, program_key: PublicKey) -> None:
    key = parse_signing_key((tmp_path / "program.key").read_text(), "program.key")
    assert key.public_key == program_key
    (tmp_path / "archive.minisig").write_text(sign_file(archive, key, COMMENT))
    assert COMMENT in minisign(tmp_path, "-Vm", "archive", "-p", "program.pub")


def test_minisign_signs_with_our_secret_key(tmp_path: Path, archive: Path) -> None:
    (tmp_path / "site.key").write_text(KEY.file_text)
    minisign(tmp_path, "-S", "-s", "site.key", "-m", "archive")
    assert verify_file(archive, (tmp_path / "archive.minisig").read_text(), [KEY.public_key]).key == KEY.public_key
    minisign(tmp_path, "-R", "-s", "site.key", "-p", "recreated.pub")
    assert PublicKey.parse((tmp_path / "recreated.pub").read_text()) == KEY.public_key


@pytest.mark.parametrize("key_id", [KEY.key_id, bytes([0x1A, 0x2E, 0xDE, 0x6C, 0x83, 0x70, 0xC3, 0x0B]), bytes(8)])
def test_the_key_id_is_the_one_that_minisign_prints(tmp_path: Path, key_id: bytes) -> None:
    key = SigningKey(key_id, KEY.seed)
    (tmp_path / "site.key").write_text(key.file_text)
    minisign(tmp_path, "-R", "-s", "site.key", "-p", "site.pub")
    assert (tmp_path / "site.pub").read_text() == key.public_key.file_text
    assert PublicKey.parse(key.public_key.text) == key.public_key


def test_a_digest_kept_while_writing_signs_and_verifies_the_file(archive: Path) -> None:
    digest = new_digest()
    digest.update(archive.read_bytes())
    assert digest.digest() == hashlib.blake2b(archive.read_bytes()).digest()
    text = sign_digest(digest.digest(), KEY, COMMENT)
    assert text == sign_file(archive, KEY, COMMENT)
    assert verify_digest(digest.digest(), text, [KEY.public_key]).trusted_comment == COMMENT


def test_a_foreign_signature_is_told_from_a_bad_one(archive: Path) -> None:
    text = sign_file(archive, FOREIGN_KEY, COMMENT)
    with pytest.raises(UnknownSignerError) as caught:
        verify_file(archive, text, [KEY.public_key])
    assert caught.value.key_id == FOREIGN_KEY.public_key.id
    assert caught.value.key_id in caught.value.message
    assert copy.copy(caught.value).key_id == caught.value.key_id
    with pytest.raises(UnknownSignerError):
        verify_file(archive, text, [])


def test_a_foreign_signature_under_the_name_of_a_trusted_key_is_bad(archive: Path) -> None:
    forger = SigningKey(KEY.key_id, FOREIGN_KEY.seed)
    with pytest.raises(BadSignatureError):
        verify_file(archive, sign_file(archive, forger, COMMENT), [KEY.public_key])


def test_two_trusted_keys_of_one_id_both_verify(archive: Path) -> None:
    twin = SigningKey(KEY.key_id, FOREIGN_KEY.seed)
    keys = [KEY.public_key, twin.public_key]
    assert verify_file(archive, sign_file(archive, twin, COMMENT), keys).key == twin.public_key
    assert verify_file(archive, sign_file(archive, KEY, COMMENT), keys).key == KEY.public_key


def test_a_changed_file_is_refused(archive: Path) -> None:
    text = sign_file(archive, KEY, COMMENT)
    archive.write_bytes(archive.read_bytes()[:-1])
    with pytest.raises(BadSignatureError, match=KEY.public_key.id):
        verify_file(archive, text, [KEY.public_key])


def test_a_changed_trusted_comment_is_refused(archive: Path) -> None:
    text = sign_file(archive, KEY, COMMENT).replace("manual", "safety")
    with pytest.raises(BadSignatureError):
        verify_file(archive, text, [KEY.public_key])


def test_the_comment_and_seal_of_another_signature_are_refused(archive: Path) -> None:
    ours, other = sign_file(archive, KEY, COMMENT).splitlines(), sign_digest(b"x" * 64, KEY, "other").splitlines()
    with pytest.raises(BadSignatureError):
        verify_file(archive, "\n".join([*ours[:2], *other[2:]]), [KEY.public_key])


def test_every_changed_character_of_the_signed_lines_is_refused(archive: Path) -> None:
    text = sign_file(archive, KEY, COMMENT)
    start = text.index("\n") + 1
    for place in range(start, len(text)):
        changed = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        with pytest.raises(SignatureError):
            verify_file(archive, changed, [KEY.public_key])


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: [],
        lambda lines: lines[:3],
        lambda lines: [*lines, "more"],
        lambda lines: lines[1:],
        lambda lines: ["comment: x", *lines[1:]],
        lambda lines: [*lines[:2], "comment: x", lines[3]],
        lambda lines: [lines[0], lines[1][:-4], *lines[2:]],
        lambda lines: [lines[0], "RUQ*" + lines[1][4:], *lines[2:]],
        lambda lines: [lines[0], "AAAA" + lines[1][4:], *lines[2:]],
        lambda lines: [*lines[:3], lines[3][:-2]],
        lambda lines: [*lines[:3], lines[3] + lines[3]],
        lambda lines: [*lines[:2], "trusted comment: \udcff", lines[3]],
        lambda lines: [*lines[:2], "trusted comment: " + "x" * 20_000, lines[3]],
    ],
)
def test_a_malformed_signature_is_refused(archive: Path, change: object) -> None:
    text = "\n".join(change(sign_file(archive, KEY, COMMENT).splitlines()))  # type: ignore[operator]
    with pytest.raises(MalformedSignatureError) as caught:
        verify_file(archive, text, [KEY.public_key])
    assert caught.value.hint


def test_a_signature_that_is_not_text_is_refused(archive: Path) -> None:
    with pytest.raises(MalformedSignatureError, match="UTF-8"):
        verify_file(archive, b"\xff\xfe", [KEY.public_key])


@pytest.mark.parametrize("comment", ["two\nlines", "\x1b[31mred", "x" * 1025, "\u2028"])
def test_a_comment_that_would_not_be_one_printable_line_is_refused(comment: str) -> None:
    with pytest.raises(SignatureError, match="one line"):
        sign_digest(bytes(64), KEY, comment)
