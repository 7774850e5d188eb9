"""Which bytes of an upload are hashed: those that are read back, or those that are sent."""

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path

import pytest
from pytest_django import Settings

from destinations.backends.storage import StorageDestination
from destinations.exceptions import VerificationFailed
from destinations.transfer.digest import Digest
from destinations.transfer.upload import Upload, Wanted
from destinations.transfer.watch import Meter

PATH = "shop/manual/backup.tar.gz"
DATA = os.urandom(200_000)
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the sizes of all blocks that are hashed from here on."""
    sizes: list[int] = []
    update = Digest.update
    monkeypatch.setattr(Digest, "update", lambda self, block: sizes.append(len(block)) or update(self, block))
    return sizes


@pytest.fixture(params=[True, False], ids=["read back", "not read back"])
def destination(request: pytest.FixtureRequest, tmp_path: Path, settings: Settings) -> Iterator[StorageDestination]:
    filesystem = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = {**settings.STORAGES, "here": filesystem}
    settings.BACKUP_STORAGE_ALIASES = ["here"]
    with ExitStack() as stack:
        yield stack.enter_context(StorageDestination({"alias": "here", "read_back": request.param}))


def test_each_byte_of_an_upload_is_hashed_once(
    destination: StorageDestination, hashed: list[int], tmp_path: Path
) -> None:
    destination.put(io.BytesIO(DATA), PATH, size=len(DATA), token="t", sha256=SHA256)
    assert (tmp_path / PATH).read_bytes() == DATA
    assert sum(hashed) == len(DATA)


def test_a_source_that_is_not_what_was_announced_is_never_stored(
    destination: StorageDestination, tmp_path: Path
) -> None:
    other = bytes(reversed(DATA))
    with pytest.raises(VerificationFailed):
        destination.put(io.BytesIO(other), PATH, size=len(DATA), token="t", sha256=SHA256)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    # what nobody announced is hashed on its way too
    destination.put(io.BytesIO(other), PATH, size=len(DATA), token="t")
    assert (tmp_path / PATH).read_bytes() == other


def test_what_may_not_be_read_back_is_hashed_on_its_way(destination: StorageDestination, hashed: list[int]) -> None:
    destination.may_read_back = False
    destination.put(io.BytesIO(DATA), PATH, size=len(DATA), token="t", sha256=SHA256)
    assert (sum(hashed), destination.bytes_read_back) == (len(DATA), 0)


@pytest.mark.parametrize("begin", [0, 50_000])
def test_parts_that_are_sent_in_order_are_hashed_on_their_way(begin: int) -> None:
    for announced in (SHA256, hashlib.sha256(b"another").hexdigest()):
        upload = Upload(Wanted(PATH, len(DATA), "t", announced), io.BytesIO(DATA), Meter())
        # of an earlier try that was given up
        upload.hash_to(10)
        upload.hash_to(begin)
        for offset in range(begin, len(DATA), 30_000):
            upload.part(offset, min(30_000, len(DATA) - offset))
        with nullcontext() if announced == SHA256 else pytest.raises(VerificationFailed, match="SHA-256"):
            upload.require_whole()
