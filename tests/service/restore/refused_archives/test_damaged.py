"""An archive with a bit flipped, or cut, is refused."""

import gzip
import random
import zlib

import pytest

from tests.support.archives.rewritten import Archive, refused

pytestmark = pytest.mark.django_db


@pytest.mark.usefixtures("untouched")
def test_an_archive_cut_at_any_place_is_refused(archive: Archive) -> None:
    whole = archive.write().read_bytes()
    chance = random.Random(5)
    for size in [0, 1, 10, 200, len(whole) - 1, *(chance.randrange(len(whole)) for _ in range(5))]:
        archive.path.write_bytes(whole[:size])
        assert "archive" in refused(archive.path).lower()


@pytest.mark.usefixtures("untouched")
def test_an_archive_with_a_flipped_bit_is_refused(archive: Archive) -> None:
    whole = archive.write().read_bytes()
    chance = random.Random(6)
    for _ in range(10):
        spoilt = bytearray(whole)
        while is_the_same(spoilt, whole):
            spoilt[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        archive.path.write_bytes(spoilt)
        refused(archive.path)


def is_the_same(spoilt: bytes, whole: bytes) -> bool:
    """True where the bits that differ mean nothing to gzip: its name and time, the padding of its last block."""
    try:
        return gzip.decompress(spoilt) == gzip.decompress(whole)
    except (OSError, EOFError, zlib.error):
        return False
