"""The writer and the reader as file objects in a pipeline."""

import gc
import gzip
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from backups.archive import age
from backups.archive.compression.read import open_reader
from backups.archive.compression.write import compressor
from tests.support.archives.age_files import (
    CHUNK,
    IDENTITY,
    RECIPIENT,
    SIZES,
    decrypt,
    encrypt,
    identity_file,
    opened,
    run_age,
    sample,
    sealed,
    take_apart,
)
from tests.support.programs import require


class DiskFull(io.RawIOBase):
    """A target that takes `room` bytes in all."""

    def __init__(self, room: int) -> None:
        self.room = room

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        size = len(memoryview(data))
        self.room -= size
        if self.room < 0:
            raise OSError(28, "No space left on device")
        return size


class ShortWrites(io.BytesIO):
    """A target that takes at most 1000 bytes at a time, as an unbuffered file may."""

    def write(self, data: Any, /) -> int:
        return super().write(memoryview(data)[:1000])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("piece", [1000, CHUNK, CHUNK + 1, 3_000_000])
def test_a_file_written_in_pieces_is_the_same_file(size: int, piece: int) -> None:
    target, data = io.BytesIO(), sample(size)
    with age.EncryptingWriter(target, recipients=[RECIPIENT]) as writer:
        for start in range(0, size, piece):
            assert writer.write(data[start : start + piece]) == len(data[start : start + piece])
    assert opened(target.getvalue(), IDENTITY) == data
    assert [len(chunk) for chunk in take_apart(target.getvalue()).chunks] == [
        min(CHUNK, size - start) + 16 for start in range(0, size, CHUNK) or (0,)
    ]


@pytest.mark.parametrize("data", [bytearray(b"bytes"), memoryview(b"bytes"), memoryview(b"bytes and")[:5]])
def test_the_writer_takes_anything_like_bytes(data: bytes) -> None:
    target = io.BytesIO()
    with age.EncryptingWriter(target, recipients=[RECIPIENT]) as writer:
        writer.write(data)
    assert opened(target.getvalue(), IDENTITY) == b"bytes"


def test_a_compressor_and_a_tar_reader_work_through_the_pair(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(os.urandom(3_000_000))
    with (tmp_path / "backup.tar.gz.age").open("wb") as target:
        with (
            age.EncryptingWriter(target, recipients=[RECIPIENT]) as writer,
            gzip.GzipFile(fileobj=writer, mode="wb", compresslevel=1) as packed,
            tarfile.open(fileobj=packed, mode="w|") as archive,
        ):
            archive.add(tmp_path / "data", "data")
        assert not target.closed
    with (tmp_path / "backup.tar.gz.age").open("rb") as source:
        reader = age.DecryptingReader(source, identities=[IDENTITY])
        with tarfile.open(fileobj=io.BufferedReader(reader), mode="r|gz") as archive:
            member = archive.next()
            assert member is not None
            extracted = archive.extractfile(member)
            assert extracted is not None
            assert extracted.read() == (tmp_path / "data").read_bytes()
        assert not source.closed


def test_what_our_compressor_pushes_through_is_unpacked_by_age_and_tar(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(os.urandom(2_000_000) + sample(2_000_000))
    packed, encrypted = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w|") as archive:
        archive.add(tmp_path / "data", "data")
    with age.EncryptingWriter(encrypted, recipients=[RECIPIENT]) as writer, compressor("gzip", 6) as packing:
        for block in packing.stream([packed.getvalue()[:1_000_000], packed.getvalue()[1_000_000:]]):
            writer.write(block)
    reader = age.DecryptingReader(io.BytesIO(encrypted.getvalue()), identities=[IDENTITY])
    assert b"".join(open_reader(reader)) == packed.getvalue()
    opened_by_age = run_age("-d", "-i", identity_file(tmp_path, IDENTITY), data=encrypted.getvalue())
    unpack = [require("tar"), "-xzO", "data"]
    unpacked = subprocess.run(unpack, input=opened_by_age, capture_output=True, check=True, timeout=60).stdout
    assert unpacked == (tmp_path / "data").read_bytes()


def test_a_change_is_raised_through_our_decompressor() -> None:
    encrypted = io.BytesIO()
    with age.EncryptingWriter(encrypted, recipients=[RECIPIENT]) as writer:
        writer.write(gzip.compress(os.urandom(3_000_000), 1))
    changed = bytearray(encrypted.getvalue())
    changed[2_000_000] ^= 1
    reader = age.DecryptingReader(io.BytesIO(changed), identities=[IDENTITY])
    with pytest.raises(age.AgePayloadError, match="Chunk 31"):
        list(open_reader(reader))


def test_an_exception_leaves_the_file_without_its_end() -> None:
    target = io.BytesIO()
    with pytest.raises(KeyError), age.EncryptingWriter(target, recipients=[RECIPIENT]) as writer:
        writer.write(sample(40 * CHUNK))
        raise KeyError
    writer.close()
    assert writer.closed
    with pytest.raises(age.AgePayloadError, match="cut after chunk"):
        opened(target.getvalue(), IDENTITY)


def test_a_writer_that_is_forgotten_does_not_finish_its_file() -> None:
    target = io.BytesIO()
    age.EncryptingWriter(target, recipients=[RECIPIENT]).write(b"half")
    gc.collect()
    with pytest.raises(age.AgePayloadError):
        opened(target.getvalue(), IDENTITY)


def test_a_failed_write_of_the_target_is_raised_and_ends_the_writer() -> None:
    writer = age.EncryptingWriter(DiskFull(2_000_000), recipients=[RECIPIENT])
    with pytest.raises(OSError, match="No space left"):
        for _ in range(100):
            writer.write(sample(CHUNK))
    with pytest.raises(ValueError, match="closed"):
        writer.write(b"more")
    writer.close()


@pytest.mark.parametrize("room", [100, 1_200_000, 5_000_000])
def test_a_full_disk_is_raised_by_encrypt_and_decrypt(room: int) -> None:
    data = sample(5_000_003)
    with pytest.raises(OSError, match="No space left"):
        encrypt(io.BytesIO(data), DiskFull(room), recipients=[RECIPIENT])
    with pytest.raises(OSError, match="No space left"):
        decrypt(io.BytesIO(sealed(data, RECIPIENT)), DiskFull(room), identities=[IDENTITY])


def test_a_target_that_takes_a_part_at_a_time_gets_everything() -> None:
    encrypted, decrypted = ShortWrites(), ShortWrites()
    encrypt(io.BytesIO(sample(200_000)), encrypted, recipients=[RECIPIENT])
    decrypt(io.BytesIO(encrypted.getvalue()), decrypted, identities=[IDENTITY])
    assert decrypted.getvalue() == sample(200_000)


def test_a_pipe_in_non_blocking_mode_is_not_taken_for_its_end() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    file = sealed(b"a part", RECIPIENT)
    with open(reading, "rb", buffering=0) as source, open(writing, "wb", buffering=0) as pipe:  # noqa: PTH123
        pipe.write(file[:-1])
        with pytest.raises(BlockingIOError):
            decrypt(source, io.BytesIO(), identities=[IDENTITY])


def test_nothing_is_written_when_the_key_cannot_be_used() -> None:
    target = io.BytesIO()
    with pytest.raises(age.AgeKeyError):
        encrypt(io.BytesIO(b"x"), target, recipients=["age1wrong"])
    assert target.getvalue() == b""


def test_the_reader_gives_all_it_is_asked_for_until_the_end() -> None:
    data = sample(3_000_000)
    reader = age.DecryptingReader(io.BytesIO(sealed(data, RECIPIENT)), identities=[IDENTITY])
    assert reader.readable()
    assert reader.read(10) == data[:10]
    assert reader.read(2_000_000) == data[10:2_000_010]
    assert reader.read(2_000_000) == data[2_000_010:]
    assert reader.read(10) == b""
    assert reader.read() == b""


def test_the_header_is_opened_from_the_start_of_a_file_alone() -> None:
    file = sealed(sample(200_000), RECIPIENT)
    header = take_apart(file).header
    assert age.open_header(io.BytesIO(header), identities=[IDENTITY]) == age.HeaderInfo(("X25519",), len(header))
    with pytest.raises(age.AgeHeaderError, match="is truncated"):
        age.open_header(io.BytesIO(header[:-1]), identities=[IDENTITY])


MEASURE = """
import re, sys
from pathlib import Path
from tests.support.archives.age_files import decrypt, encrypt
mode, key, source, target = sys.argv[1:]
with open(source, "rb") as reading, open(target, "wb") as writing:
    if mode == "encrypt":
        encrypt(reading, writing, recipients=[key])
    else:
        decrypt(reading, writing, identities=[key])
print(re.search("VmHWM:\\s+([0-9]+) kB", Path("/proc/self/status").read_text())[1])
"""


def peak_kib(mode: str, key: str, source: Path, target: Path) -> int:
    command = [sys.executable, "-c", MEASURE, mode, key, str(source), str(target)]
    return int(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    peaks = []
    for size in (1, 60_000_000):
        plain, encrypted, decrypted = (tmp_path / name for name in ("plain", "encrypted", "decrypted"))
        plain.touch()
        os.truncate(plain, size)
        peaks.append(peak_kib("encrypt", RECIPIENT, plain, encrypted))
        peaks.append(peak_kib("decrypt", IDENTITY, encrypted, decrypted))
        assert decrypted.stat().st_size == size
    assert max(peaks) - min(peaks) < 16 * 1024
