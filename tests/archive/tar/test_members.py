"""Members that are compressed ahead, also while the file is written, and joined behind the manifest later."""

import errno
import io
import os
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backups.archive.compression.write import BLOCK_BYTES, Compressor, compressor
from backups.archive.errors import ArchiveError
from backups.archive.tar.growing import BLOCKS_BEHIND, Growing
from backups.archive.tar.members import PackedPart, Part, pack_part
from backups.archive.tar.read import unpack, verify_members
from backups.archive.tar.write import write_archive
from tests.support.archives.crafted import FILES, manifest_of, parts_of
from tests.support.programs import require

SIZE = (BLOCKS_BEHIND + 6) * BLOCK_BYTES + 700


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture
def packing() -> Iterator[Compressor]:
    with compressor("gzip", 1) as opened:
        yield opened


def packed(tmp_path: Path, packing: Compressor, growing: Growing | None = None) -> PackedPart:
    return pack_part(Part(tmp_path / "data", "data"), tmp_path / "body", packing, lambda _: None, growing)


def archive_of(part: PackedPart, data: bytes) -> bytes:
    target = io.BytesIO()
    write_archive(target, manifest_of({"data": data}), [part], level=1)
    return target.getvalue()


def content_of(archive: bytes, tmp_path: Path) -> bytes:
    unpack(io.BytesIO(archive), tmp_path / "unpacked")
    return (tmp_path / "unpacked" / "data").read_bytes()


def noise(seed: int) -> bytes:
    return random.Random(seed).randbytes(SIZE)


def grown(data: bytes, tmp_path: Path, packing: Compressor) -> Growing:
    """Write `data` while it is compressed, and return when all that may be was."""
    path = tmp_path / "data"
    path.write_bytes(data)
    growing = Growing(path, tmp_path / "ahead", packing)
    for size in range(0, SIZE, 3_000_000):
        growing.written(size)
    growing.written(SIZE)
    while len(growing._sums) < SIZE // BLOCK_BYTES - BLOCKS_BEHIND - 1:
        assert growing._thread.is_alive()
        time.sleep(0.001)
    return growing


def test_parts_that_were_compressed_ahead_make_the_same_archive(tmp_path: Path, packing: Compressor) -> None:
    parts = parts_of(FILES, tmp_path)
    ahead = [pack_part(part, tmp_path / f"{part.name}.body", packing, lambda _: None) for part in parts]
    at_once, later = io.BytesIO(), io.BytesIO()
    write_archive(at_once, manifest_of(FILES), parts, level=1)
    write_archive(later, manifest_of(FILES), ahead, level=1)
    assert later.getvalue() == at_once.getvalue()
    tar = subprocess.run([require("tar"), "-tzf", "-"], input=later.getvalue(), capture_output=True, check=True)
    assert tar.stdout.split() == [name.encode() for name in ("manifest.json", *FILES)]


def test_a_file_that_was_compressed_while_it_grew_is_not_compressed_again(tmp_path: Path, packing: Compressor) -> None:
    data = noise(1)
    growing = grown(data, tmp_path, packing)
    part = packed(tmp_path, packing, growing)
    assert part.body.path == tmp_path / "ahead"
    # no block was written twice
    assert part.compressed_bytes == (tmp_path / "ahead").stat().st_size
    assert content_of(archive_of(part, data), tmp_path) == data


def test_blocks_that_changed_after_they_were_compressed_are_compressed_again(
    tmp_path: Path, packing: Compressor
) -> None:
    growing = grown(noise(1), tmp_path, packing)
    data = bytearray(noise(1))
    for place in (0, 3 * BLOCK_BYTES, 4 * BLOCK_BYTES - 1, SIZE - 1):
        data[place] ^= 1
    (tmp_path / "data").write_bytes(data)
    part = packed(tmp_path, packing, growing)
    assert content_of(archive_of(part, bytes(data)), tmp_path) == data


def test_a_file_that_ends_before_what_was_compressed_is_packed_as_it_is(tmp_path: Path, packing: Compressor) -> None:
    growing = grown(noise(1), tmp_path, packing)
    data = noise(1)[: 2 * BLOCK_BYTES + 5]
    (tmp_path / "data").write_bytes(data)
    part = packed(tmp_path, packing, growing)
    archive = archive_of(part, data)
    assert verify_members(io.BytesIO(archive)).contents[0].size_bytes == len(data)
    assert content_of(archive, tmp_path) == data


def test_a_compressed_copy_that_was_altered_cut_or_emptied_is_refused(tmp_path: Path, packing: Compressor) -> None:
    parts = parts_of({"data": os.urandom(3_000_000)}, tmp_path)
    body = tmp_path / "body"
    part = pack_part(parts[0], body, packing, lambda _: None)
    written = body.read_bytes()
    altered = bytearray(written)
    altered[len(written) // 2] ^= 1
    for damaged in (bytes(altered), written[:-1], b""):
        body.write_bytes(damaged)
        with pytest.raises(ArchiveError, match="data changed between its check and its packing"):
            archive_of(part, (tmp_path / "data").read_bytes())


def test_an_error_of_the_compressing_ahead_is_raised_by_the_packing(tmp_path: Path, packing: Compressor) -> None:
    def full(_block: bytes) -> bytes:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "data").write_bytes(noise(1))
    packing.compress = full
    growing = Growing(tmp_path / "data", tmp_path / "ahead", packing)
    growing.written(SIZE)
    with pytest.raises(OSError, match="No space left"):
        packed(tmp_path, packing, growing)


def test_a_disk_that_cannot_be_read_is_no_error_of_writing(tmp_path: Path, packing: Compressor) -> None:
    # at its beginning nothing is mapped: the kernel answers EIO
    memory = Part(Path("/proc/self/mem"), "orders.db")
    with pytest.raises(ArchiveError) as failed:
        pack_part(memory, tmp_path / "packed", packing, lambda _: None)
    assert failed.value.message == "/proc/self/mem cannot be read: Input/output error."
    assert "disk that fails" in failed.value.hint
