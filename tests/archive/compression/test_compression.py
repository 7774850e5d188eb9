"""Compressions by name for writing, by magic number for reading."""

import gzip
import io
import os
import subprocess
import sys
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

from backups.archive.compression import read
from backups.archive.compression.read import open_reader
from backups.archive.compression.write import BLOCK_BYTES, COMPRESSIONS, compressor, get_compression
from backups.archive.errors import ArchiveError
from backups.archive.tar.read import verify_members
from tests.support.archives.crafted import FILES, compressed, manifest_of, pack, tar_of
from tests.support.programs import missing, require

DATA = b"".join(b"line %d of an accounting log\n" % number for number in range(150_000))


def need_zstandard() -> ModuleType:
    try:
        return import_module("zstandard")
    except ImportError:
        missing("the Python package zstandard is not installed")
        raise


def squeeze(name: str, level: int, data: bytes) -> bytes:
    blocks = [data[start : start + BLOCK_BYTES] for start in range(0, len(data), BLOCK_BYTES)] or [b""]
    with compressor(name, level) as packing:
        return b"".join(packing.stream(blocks))


def test_every_gzip_level_is_read_by_gzip_and_by_us(tmp_path: Path) -> None:
    program = require("gzip")
    sizes = []
    for level in range(1, 10):
        archive = squeeze("gzip", level, DATA)
        sizes.append(len(archive))
        assert b"".join(open_reader(io.BytesIO(archive))) == DATA
        assert subprocess.run([program, "-dc"], input=archive, capture_output=True, check=True).stdout == DATA
    assert sizes[0] == max(sizes) < len(DATA) / 5
    assert sizes[8] < sizes[0]


def test_what_gzip_itself_writes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(DATA)
    subprocess.run([require("gzip"), "--name", "-9", path], check=True)
    with (tmp_path / "data.gz").open("rb") as source:
        assert b"".join(open_reader(source)) == DATA


def test_random_and_empty_data_survive() -> None:
    for data in (b"", os.urandom(3_000_000)):
        assert b"".join(open_reader(io.BytesIO(squeeze("gzip", 1, data)))) == data


def test_chunks_are_bounded_however_much_a_stream_expands() -> None:
    bomb = gzip.compress(bytes(32 * 1024 * 1024))
    assert max(len(chunk) for chunk in open_reader(io.BytesIO(bomb))) <= 512 * 1024


class Dribble(io.RawIOBase):
    """A source such as a socket that gives what it likes."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1, /) -> bytes:
        return self._data.read(min(size, 7))


def test_short_reads_are_no_end() -> None:
    assert verify_members(Dribble(compressed(tar_of(FILES)))) == manifest_of(FILES)  # type: ignore[arg-type]


def test_an_unknown_compression_or_level_is_refused_with_the_valid_ones() -> None:
    with pytest.raises(ArchiveError, match="no compression named 'rar'") as refused:
        get_compression("rar")
    assert refused.value.hint == "Use one of: gzip, zstd."
    for level in (0, 10):
        with pytest.raises(ArchiveError, match=f"no compression level {level}"):
            squeeze("gzip", level, b"")


def test_extensions_name_the_compression() -> None:
    assert {name: compression.extension for name, compression in COMPRESSIONS.items()} == {
        "gzip": ".tar.gz",
        "zstd": ".tar.zst",
    }


def test_zstd_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    for attempt in (lambda: squeeze("zstd", 6, b""), lambda: list(open_reader(io.BytesIO(ZSTD_FRAME)))):
        with pytest.raises(ArchiveError, match="zstandard, which is not installed") as refused:
            attempt()
        assert refused.value.hint == "Run 'pip install zstandard'."


ZSTD_FRAME = b"\x28\xb5\x2f\xfd" + bytes(20)


def test_an_archive_in_zstd_round_trips_and_zstd_reads_it(tmp_path: Path) -> None:
    need_zstandard()
    archive = pack(FILES, tmp_path, compression="zstd")
    assert verify_members(io.BytesIO(archive)) == manifest_of(FILES)
    for level in range(1, 10):
        assert b"".join(open_reader(io.BytesIO(squeeze("zstd", level, DATA)))) == DATA


def test_a_zstd_stream_that_was_cut_extended_or_altered_is_refused(tmp_path: Path) -> None:
    need_zstandard()
    archive = pack(FILES, tmp_path, compression="zstd")
    damaged = [archive[:length] for length in range(len(archive))]
    damaged += [archive + b"x", archive + bytes(8), archive + archive]
    for position in range(len(archive)):
        flipped = bytearray(archive)
        flipped[position] ^= 1 << (position % 8)
        damaged.append(bytes(flipped))
    harmless = 0
    for each in damaged:
        try:
            assert verify_members(io.BytesIO(each)) == manifest_of(FILES)
            harmless += 1
        except ArchiveError:
            continue
    # such as a wider window in the frame header
    assert harmless <= 10


def test_a_zstd_bomb_stays_in_bounded_chunks() -> None:
    bomb = need_zstandard().ZstdCompressor(level=19).compress(bytes(256 * 1024 * 1024))
    assert max(len(chunk) for chunk in open_reader(io.BytesIO(bomb))) <= 64 * 1024 * 1024


@pytest.mark.parametrize("method", ["gzip", "zstd"])
def test_free_memory_is_given_back_after_each_part_of_the_content(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[int] = []
    monkeypatch.setattr(read, "RELEASE_BYTES", 2 << 20)
    monkeypatch.setattr(read, "release_free_memory", lambda: released.append(got))
    got = 0
    for chunk in open_reader(io.BytesIO(squeeze(method, 1, DATA * (-(-(9 << 20) // len(DATA)))))):
        got += len(chunk)
    assert len(released) == 4
    assert all(second - first >= 2 << 20 for first, second in pairwise(released))
