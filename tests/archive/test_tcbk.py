"""The TACACS+ server's own encrypted container."""

import base64
import hashlib
import io
import os
from functools import cache
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from backups.archive.errors import ArchiveError
from backups.archive.tar.read import unpack, verify_members
from backups.archive.tcbk import decrypt, is_tcbk
from tests.support.archives.crafted import SERVER_ENCRYPTED, SERVER_PASSPHRASE, SERVER_PLAIN, peak_mebibytes

PASSPHRASE = "the server's own"


def container(plain: bytes, passphrase: str = PASSPHRASE) -> bytes:
    """What the server writes, by the reference implementation of Fernet."""
    salt = os.urandom(16)
    key = hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, 100_000, 32)
    return b"TCBK\x01" + salt + Fernet(base64.urlsafe_b64encode(key)).encrypt(plain)


def opened(data: bytes, passphrase: str = PASSPHRASE) -> bytes:
    target = io.BytesIO()
    decrypt(io.BytesIO(data), target, passphrase)
    return target.getvalue()


def refusal(data: bytes, passphrase: str = PASSPHRASE) -> ArchiveError:
    target = io.BytesIO()
    with pytest.raises(ArchiveError) as refused:
        decrypt(io.BytesIO(data), target, passphrase)
    assert target.getvalue() == b""
    assert refused.value.hint
    assert passphrase not in refused.value.message + refused.value.hint
    return refused.value


def test_the_servers_encrypted_archive_opens_verifies_and_unpacks(tmp_path: Path) -> None:
    archive = io.BytesIO()
    with SERVER_ENCRYPTED.open("rb") as source:
        decrypt(source, archive, SERVER_PASSPHRASE)
    archive.seek(0)
    manifest = verify_members(archive)
    archive.seek(0)
    assert unpack(archive, tmp_path / "out") == manifest
    assert manifest.instance_name == "tacacs-hq"
    assert manifest.components == ("devices", "users", "audit", "config", "accounting", "metrics")


def test_the_container_is_known_by_its_first_bytes() -> None:
    assert is_tcbk(SERVER_ENCRYPTED.read_bytes()[:4])
    assert not is_tcbk(SERVER_PLAIN.read_bytes()[:4])
    assert not is_tcbk(b"TCB")


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 1000, 196_608, 196_609, 500_000])
def test_what_fernet_encrypts_is_decrypted(size: int) -> None:
    plain = os.urandom(size)
    assert opened(container(plain)) == plain


def test_a_wrong_passphrase_is_one_clear_error() -> None:
    error = refusal(SERVER_ENCRYPTED.read_bytes(), "correct horse battery stable")
    assert "the passphrase is wrong, or the file was altered" in error.message


def test_a_passphrase_of_bytes_that_are_not_utf8_is_only_wrong() -> None:
    assert "the passphrase is wrong" in refusal(container(b"data"), b"\xff".decode("utf-8", "surrogateescape")).message


def test_any_byte_altered_or_cut_is_refused_and_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    # the same two keys each time, but where the salt is altered
    monkeypatch.setattr(hashlib, "pbkdf2_hmac", cache(hashlib.pbkdf2_hmac))
    data = container(b"forty bytes of a small plain archive....")
    for position in range(5, len(data), 19):
        for changed in (data[position] ^ 0x01, 0x80, ord("="), ord("\n")):
            if changed != data[position]:
                refusal(data[:position] + bytes([changed]) + data[position + 1 :])
    for length in range(0, len(data), 11):
        refusal(data[:length])
    for extra in (b"\n", b"=", b"====", b"AAAA"):
        refusal(data + extra)


def test_another_version_of_the_container_is_refused_by_number() -> None:
    data = bytearray(container(b"data"))
    data[4] = 2
    assert "container version 2" in refusal(bytes(data)).message


def test_another_file_is_refused() -> None:
    assert "not a complete encrypted archive" in refusal(SERVER_PLAIN.read_bytes()).message


MEASURE = """
import sys
from pathlib import Path
from backups.archive.tcbk import decrypt
with Path(sys.argv[1]).open("rb") as source, Path(sys.argv[1] + ".out").open("wb") as target:
    decrypt(source, target, "the server's own")
"""


def test_memory_does_not_grow_with_the_container(tmp_path: Path) -> None:
    peaks = []
    for size in (1_000_000, 30_000_000):
        path = tmp_path / "container"
        path.write_bytes(container(bytes(size)))
        peaks.append(peak_mebibytes(MEASURE, path))
        assert (tmp_path / "container.out").stat().st_size == size
    assert peaks[1] - peaks[0] < 10
