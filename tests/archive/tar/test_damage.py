"""An archive that was cut or altered anywhere is refused, or is provably the same."""

import io
from pathlib import Path

import pytest

from backups.archive.errors import ArchiveError
from backups.archive.tar.read import read_manifest, unpack, verify_members
from tests.support.archives.crafted import FILES, SERVER_PLAIN, compressed, manifest_of, pack, tar_of

TINY = {"a": b"x"}


def verdict(archive: bytes) -> object:
    """The manifest of an archive that passes, None for one that is refused; any other error fails the test."""
    try:
        return verify_members(io.BytesIO(archive))
    except ArchiveError:
        return None


def test_truncation_at_every_record_of_the_tar_is_refused(tmp_path: Path) -> None:
    tar = tar_of(FILES)
    for length in range(0, len(tar), 512):
        with pytest.raises(ArchiveError):
            unpack(io.BytesIO(compressed(tar[:length])), tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_truncation_at_every_byte_of_the_compressed_stream_is_refused(tmp_path: Path) -> None:
    archive = pack(TINY, tmp_path / "parts")
    for length in range(len(archive)):
        with pytest.raises(ArchiveError):
            unpack(io.BytesIO(archive[:length]), tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_the_servers_archive_cut_anywhere_is_refused(tmp_path: Path) -> None:
    archive = SERVER_PLAIN.read_bytes()
    for length in range(0, len(archive), len(archive) // 40):
        with pytest.raises(ArchiveError):
            unpack(io.BytesIO(archive[:length]), tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_any_bit_flipped_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    archive = pack(TINY, tmp_path)
    harmless = set()
    for position in range(len(archive)):
        # every bit of the header and of what closes it, and of the rest one in turn
        is_frame = position < 18 or position >= len(archive) - 8
        for bit in range(8) if is_frame else (position % 8,):
            flipped = bytearray(archive)
            flipped[position] ^= 1 << bit
            manifest = verdict(bytes(flipped))
            if manifest is not None:
                assert manifest == manifest_of(TINY)
                harmless.add((position, bit))
    # of the gzip header: the text flag, the time, and what wrote it
    assert {place for place in harmless if place[0] < 10} == {
        (3, 0), *((position, bit) for position in range(4, 10) for bit in range(8))
    }  # fmt: skip
    assert not any(position >= len(archive) - 8 for position, _bit in harmless)


def test_a_bit_flipped_in_the_servers_archive_is_refused() -> None:
    archive = SERVER_PLAIN.read_bytes()
    for position in range(100, len(archive), len(archive) // 60):
        flipped = bytearray(archive)
        flipped[position] ^= 0x10
        assert verdict(bytes(flipped)) is None


def test_a_bit_flipped_in_the_tar_is_refused_or_changes_nothing() -> None:
    """Whoever alters an archive can make the checksum of the compression right again."""
    tar = tar_of(TINY)
    for position in range(len(tar)):
        flipped = bytearray(tar)
        flipped[position] ^= 1 << (position % 8)
        manifest = verdict(compressed(bytes(flipped)))
        in_manifest = 512 <= position < 512 + len(manifest_of(TINY).to_json())
        assert in_manifest or manifest in (None, manifest_of(TINY)), position


def test_reading_only_the_manifest_of_a_damaged_archive_raises_nothing_else(tmp_path: Path) -> None:
    archive = pack(TINY, tmp_path)
    for position in range(len(archive)):
        flipped = bytearray(archive)
        flipped[position] ^= 0x04
        try:
            read_manifest(io.BytesIO(flipped))
        except ArchiveError as error:
            assert error.message
