"""Stores that publish before they can be read back: what was not verified does not stay, and is not lost either."""

import hashlib
import io
import os
from collections.abc import Callable
from typing import Any

import pytest

from destinations.backends.base import UploadState
from destinations.backends.remote import RemoteDestination
from destinations.exceptions import ConnectionLost, NameTaken, VerificationFailed
from tests.destinations.contract.azure_place import AzurePlace
from tests.destinations.contract.dropbox_place import DropboxPlace
from tests.destinations.contract.gcs_place import GcsPlace
from tests.destinations.contract.place import Place
from tests.destinations.contract.s3_place import S3Place

PATH = "shop/manual/backup.tar.gz"
DATA = os.urandom(3000)


class Cancelled(BaseException):
    pass


@pytest.fixture(params=[AzurePlace, DropboxPlace, GcsPlace, S3Place])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(RemoteDestination, "retry_delays", (0,))
    kind: Callable[[pytest.FixtureRequest], Place] = request.param
    return kind(request)


def upload(destination: Any, state: UploadState | None = None) -> Any:
    digest = hashlib.sha256(DATA).hexdigest()
    return destination.put(io.BytesIO(DATA), PATH, size=len(DATA), token="t", sha256=digest, state=state)


@pytest.mark.parametrize("error", [Cancelled, ConnectionLost])
def test_what_was_not_read_back_does_not_stay(
    place: Place, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def hash_of(self: RemoteDestination, path: str) -> str:
        assert place.files() == [PATH]
        raise error("It was cut.")

    monkeypatch.setattr(RemoteDestination, "hash_of", hash_of)
    with place.open(read_back=True) as destination, pytest.raises(error):
        upload(destination)
    assert place.files() == []


def test_what_reads_back_differently_after_a_cut_does_not_stay(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []

    def hash_of(self: RemoteDestination, path: str) -> str:
        reads.append(path)
        if len(reads) == 1:
            raise ConnectionLost("It was cut.", "Try again.")
        return "0" * 64

    monkeypatch.setattr(RemoteDestination, "hash_of", hash_of)
    with place.open(read_back=True) as destination, pytest.raises((VerificationFailed, NameTaken)):
        upload(destination)
    assert place.files() == []


@pytest.mark.parametrize("theirs", [False, True])
def test_an_upload_that_was_published_before_the_connection_went_is_taken_by_the_next_process(
    place: Place, monkeypatch: pytest.MonkeyPatch, theirs: bool
) -> None:
    kept: list[dict[str, object]] = []

    def lose(self: RemoteDestination, *args: object) -> bool:
        raise ConnectionLost("It was cut.", "Try again.")

    with monkeypatch.context() as cut, place.open() as destination:
        cut.setattr(RemoteDestination, "_is_published", lose)
        publish = type(destination).remote_publish  # type: ignore[attr-defined]

        def publish_unheard(self: Any, upload: Any) -> None:
            if theirs:
                place.plant(PATH, bytes(len(DATA)))
            else:
                publish(self, upload)
            lose(self)

        cut.setattr(type(destination), "remote_publish", publish_unheard)
        with pytest.raises(ConnectionLost):
            upload(destination, UploadState({}, lambda data: kept.append(dict(data))))
    with place.open() as destination:
        assert [file.path for file in destination.list()] == [PATH]
        if theirs:
            with pytest.raises(NameTaken):
                upload(destination, UploadState(kept[-1], kept.append))
        else:
            assert upload(destination, UploadState(kept[-1], kept.append)).size_bytes == len(DATA)
    assert place.read(PATH) == (bytes(len(DATA)) if theirs else DATA)
