"""Signing keys in their files."""

import stat
from pathlib import Path

import pytest

from backups.archive._base64 import decode_base64, encode_base64
from backups.archive.minisign import PublicKey, SigningKey, SigningKeyError, read_signing_key, write_signing_key

# the same in every process of a parallel run, where the tests need the same names
KEY = SigningKey(bytes(range(1, 9)), bytes(range(32)))
FOREIGN_KEY = SigningKey(bytes(range(9, 17)), bytes(range(32, 64)))


def test_a_secret_key_is_private_survives_and_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "site.key"
    write_signing_key(path, KEY)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_signing_key(path) == KEY
    with pytest.raises(SigningKeyError, match="never overwritten"):
        write_signing_key(path, FOREIGN_KEY)
    assert read_signing_key(path) == KEY
    assert [entry.name for entry in tmp_path.iterdir()] == ["site.key"]


def test_a_secret_key_shows_itself_nowhere() -> None:
    assert repr(KEY.seed) not in repr(KEY)
    assert KEY.seed.hex() not in repr(KEY)


def secret_key_file(folder: Path, change: tuple[int, bytes]) -> Path:
    path = folder / "changed.key"
    write_signing_key(path, KEY)
    comment, line = path.read_text().splitlines()
    data = bytearray(decode_base64(line, padding=True))
    start, new = change
    data[start : start + len(new)] = new
    path.write_text(f"{comment}\n{encode_base64(bytes(data), padding=True)}\n")
    return path


@pytest.mark.parametrize(
    "change", [(0, b"XX"), (4, b"XX"), (62, b"other seed"), (100, b"other public key"), (158, b"x")]
)
def test_a_damaged_secret_key_is_refused_by_its_path(tmp_path: Path, change: tuple[int, bytes]) -> None:
    path = secret_key_file(tmp_path, change)
    with pytest.raises(SigningKeyError) as caught:
        read_signing_key(path)
    assert str(path) in caught.value.message
    assert path.read_text().splitlines()[1] not in f"{caught.value!r} {caught.value.hint}"


def test_a_secret_key_with_a_password_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = secret_key_file(tmp_path, (2, b"Sc"))
    with pytest.raises(SigningKeyError, match="locked with a password") as caught:
        read_signing_key(path)
    assert caught.value.hint == f"Remove it with 'minisign -C -W -s {path}'."


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"untrusted comment: x\n", b"untrusted comment: x\nRWQ=\n"])
def test_what_is_no_secret_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "wrong.key"
    path.write_bytes(content)
    with pytest.raises(SigningKeyError, match="not a minisign secret key"):
        read_signing_key(path)


@pytest.mark.parametrize(
    "text",
    ["", "RW", KEY.public_key.text[:-4], KEY.public_key.text.lower(), "A" * 56, "ä"],
    ids=["empty", "begun", "cut", "lower case", "of another algorithm", "not ASCII"],
)
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(SigningKeyError, match="not a minisign public key"):
        PublicKey.parse(text)
