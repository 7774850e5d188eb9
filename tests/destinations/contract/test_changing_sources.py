"""A source that changes while it is sent, such as a file in use: it is never stored as what was announced."""

import hashlib
import io
import os
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from destinations.backends import Destination
from destinations.backends.s3.bucket import Bucket
from destinations.exceptions import VerificationFailed
from tests.destinations.contract.places import PLACES, Place

PATH = "tacacs-hq/manual/backup.tar.gz"


class Changing(io.BytesIO):
    """A file whose bytes are others when they are read again."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._left = len(data)

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(size)
        self._left -= len(block)
        return block if self._left >= 0 else bytes(byte ^ 1 for byte in block)


# those that send parts, with a checksum of each that is computed beforehand
@pytest.mark.parametrize("place", sorted(PLACES.keys() & {"azure", "dropbox"}), indirect=True)
def test_what_is_stored_is_what_was_announced_or_nothing(
    place: Place, destination: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(destination), "retry_delays", (0.0, 0.0))
    data = os.urandom(100_000)
    try:
        put(destination, Changing(data), data)
    except VerificationFailed:
        assert (place.files(), list(destination.list_partials())) == ([], [])
    else:
        assert place.read(PATH) == data


def put(destination: Destination, source: BinaryIO, data: bytes) -> None:
    digest = hashlib.sha256(data).hexdigest()
    destination.put(source, PATH, size=len(data), token="t", sha256=digest)


@pytest.mark.parametrize("place", sorted(PLACES.keys() & {"s3"}), indirect=True)
def test_a_file_that_is_written_to_while_it_is_sent_is_not_stored(
    place: Place, destination: Destination, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data = os.urandom(100_000)
    path = tmp_path / "archive"
    path.write_bytes(data)
    os.utime(path, (1, 1))
    real = Bucket.call

    def written_meanwhile(self: Bucket, operation: str, **parameters: Any) -> dict[str, Any]:
        # after it was hashed, and before it is sent
        if operation == "upload_part":
            path.write_bytes(bytes(len(data)))
        return real(self, operation, **parameters)

    monkeypatch.setattr(Bucket, "call", written_meanwhile)
    with path.open("rb") as source, pytest.raises(VerificationFailed):
        put(destination, source, data)
    assert (place.files(), list(destination.list_partials())) == ([], [])
