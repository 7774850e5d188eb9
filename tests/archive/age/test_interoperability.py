"""Files of ours and of the age program, each opened by the other."""

import io
from pathlib import Path

import pytest

from backups.archive import age
from tests.support.archives.age_files import (
    IDENTITY,
    OTHER_IDENTITY,
    OTHER_RECIPIENT,
    PASSPHRASE,
    RECIPIENT,
    SIZES,
    identity_file,
    opened,
    run_age,
    run_age_with_terminal,
    sample,
    sealed,
)


@pytest.mark.parametrize("size", SIZES)
def test_age_opens_what_we_encrypt(tmp_path: Path, size: int) -> None:
    key = identity_file(tmp_path, IDENTITY)
    assert run_age("-d", "-i", key, data=sealed(sample(size), RECIPIENT)) == sample(size)


@pytest.mark.parametrize("size", SIZES)
def test_we_open_what_age_encrypts(size: int) -> None:
    assert opened(run_age("-r", RECIPIENT, data=sample(size)), IDENTITY) == sample(size)


@pytest.mark.parametrize("size", SIZES)
def test_we_open_what_age_armours(size: int) -> None:
    assert opened(run_age("-a", "-r", RECIPIENT, data=sample(size)), IDENTITY) == sample(size)


@pytest.mark.parametrize("identity", [IDENTITY, OTHER_IDENTITY])
def test_each_of_several_recipients_opens_the_file_in_both_programs(tmp_path: Path, identity: str) -> None:
    data, key = sample(100_000), identity_file(tmp_path, identity)
    assert run_age("-d", "-i", key, data=sealed(data, RECIPIENT, OTHER_RECIPIENT)) == data
    assert opened(run_age("-r", RECIPIENT, "-r", OTHER_RECIPIENT, data=data), identity) == data


def test_age_opens_what_we_encrypt_with_a_passphrase(tmp_path: Path) -> None:
    (tmp_path / "file.age").write_bytes(sealed(sample(100_000), passphrase=PASSPHRASE))
    run_age_with_terminal(f"{PASSPHRASE}\n", "-d", "-o", tmp_path / "file", tmp_path / "file.age")
    assert (tmp_path / "file").read_bytes() == sample(100_000)


def test_we_open_what_age_encrypts_with_a_passphrase(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(sample(100_000))
    run_age_with_terminal(f"{PASSPHRASE}\n{PASSPHRASE}\n", "-p", "-a", "-o", tmp_path / "file.age", tmp_path / "file")
    assert opened((tmp_path / "file.age").read_bytes(), passphrases=(PASSPHRASE,)) == sample(100_000)


def test_the_size_of_a_file_of_age_is_known_before_encrypting() -> None:
    for size in SIZES:
        data = run_age("-r", RECIPIENT, data=sample(size))
        header = age.open_header(io.BytesIO(data), identities=[IDENTITY])
        assert age.encrypted_size(size, header.size) == len(data)
