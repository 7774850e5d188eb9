"""Parts that grow with the file, up to the largest that a store takes, and files beyond that."""

import io

import pytest

from destinations.backends import TYPES
from destinations.backends.azure import blocks
from destinations.backends.remote import RemoteDestination
from destinations.backends.s3 import multipart
from destinations.exceptions import DestinationFull
from tests.support.memory_remote import MemoryRemote

MIB, GIB, TIB = 1024**2, 1024**3, 1024**4
TERABYTE = 1000**4


def largest_of(type: str) -> int:
    backend = TYPES[type]
    assert issubclass(backend, RemoteDestination)
    assert backend.largest_file is not None
    return backend.largest_file


def sizes(least: int, most: int, largest: int) -> list[int]:
    """Return sizes where the parts begin to grow, and at both ends."""
    return [0, 1, least - 1, least, least + 1, least * most - 1, least * most, least * most + 1, 5 * TERABYTE, largest]


@pytest.mark.parametrize("size", sizes(8 * MIB, 9000, largest_of("s3")))
def test_s3_gets_at_most_ten_thousand_parts_of_five_gibibytes(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "LEAST_PART_BYTES", 8 * MIB)
    part = multipart.part_size(size)
    assert -(-size // part) <= 10_000
    assert 5 * MIB <= part <= 5 * GIB


@pytest.mark.parametrize("size", sizes(8 * MIB, 45_000, largest_of("azure")))
def test_azure_gets_at_most_fifty_thousand_blocks_of_4000_mebibytes(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "LEAST_BLOCK_BYTES", 8 * MIB)
    block = blocks.block_size(size)
    assert -(-size // block) <= 50_000
    assert 8 * MIB <= block <= 4000 * MIB


@pytest.mark.parametrize("type", ["s3", "azure", "gcs", "dropbox"])
def test_a_file_beyond_the_largest_is_refused_before_a_byte_is_sent(type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Source(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise AssertionError("it was read")

    monkeypatch.setattr(MemoryRemote, "largest_file", largest_of(type))
    destination = MemoryRemote({"server": "largest", "path": type})
    with pytest.raises(DestinationFull, match="at most") as caught:
        destination.put(Source(), "shop/manual/backup.tar", size=largest_of(type) + 1, token="t")
    assert caught.value.hint
    # the largest itself is no reason: it is begun
    with pytest.raises(AssertionError, match="it was read"):
        destination.put(Source(), "shop/manual/backup.tar", size=largest_of(type), token="t")
