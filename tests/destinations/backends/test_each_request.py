"""Each request of an upload in turn is answered with a fault: it arrives whole, and nothing else stays."""

import hashlib
import io
import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from destinations.backends import create_destination
from destinations.backends.remote import RemoteDestination
from destinations.exceptions import DestinationFull
from tests.destinations.backends.gcs.buckets import gcs_options
from tests.destinations.backends.s3.buckets import s3_options
from tests.destinations.contract.azure_place import AzurePlace, azure_options
from tests.destinations.contract.dropbox_place import DropboxPlace
from tests.destinations.contract.gcs_place import GcsPlace
from tests.destinations.contract.s3_place import S3Place
from tests.destinations.contract.webdav_place import WebdavPlace
from tests.support.servers.hostile import LOST, Answer, Asked, Hostile

BLOCK = 256 * 1024
DATA = os.urandom(2 * BLOCK + 17)
FULL = {
    "azure": Answer(507, {"x-ms-error-code": "QuotaExceeded"}),
    "gcs": Answer(403, {"Content-Type": "application/json"}, b'{"error": {"errors": [{"reason": "quotaExceeded"}]}}'),
    "s3": Answer(507, {}, b"<Error><Code>InsufficientStorage</Code></Error>"),
}


OPTIONS = {"azure": azure_options, "gcs": gcs_options, "s3": s3_options}


@pytest.fixture(params=[AzurePlace, DropboxPlace, GcsPlace, S3Place, WebdavPlace])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    for module, name in (
        ("azure.blocks", "LEAST_BLOCK_BYTES"), ("gcs.sessions", "CHUNK_BYTES")
    ):  # fmt: skip
        monkeypatch.setattr(f"destinations.backends.{module}.{name}", BLOCK)
    monkeypatch.setattr(RemoteDestination, "retry_delays", (0, 0))
    return request.param(request)


@contextmanager
def between(place: Any, answer: Callable[[Asked], Answer | None]) -> Iterator[Callable[[], Any]]:
    """Give a function that opens the place by way of a server that answers in its place."""
    context = None
    if place.type in {"dropbox", "webdav"}:
        certificate = place.request.getfixturevalue("certificates").valid
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
    with Hostile(answer, behind=place.server.port, context=context) as server:

        def open_place() -> Any:
            own = place.options()
            if place.type == "dropbox":
                place.server.redirect(place.request.getfixturevalue("monkeypatch"), port=server.port)
            elif place.type == "webdav":
                own["url"] = own["url"].replace(f":{place.server.port}", f":{server.port}")
            else:
                options: Callable[..., dict[str, Any]] = OPTIONS[place.type]
                own |= options(place.server, port=server.port) | {"location": place.folder}
            return create_destination(place.type, own)

        yield open_place
    if place.type == "dropbox":
        place.server.redirect(place.request.getfixturevalue("monkeypatch"))


def upload(destination: Any, path: str) -> Any:
    digest = hashlib.sha256(DATA).hexdigest()
    return destination.put(io.BytesIO(DATA), path, size=len(DATA), token="t", sha256=digest)


def test_an_answer_that_is_lost_at_any_request_costs_a_try(place: Any) -> None:
    asked: list[Asked] = []
    at = 0

    def answer(request: Asked) -> Answer | None:
        asked.append(request)
        return LOST if len(asked) == at + 1 else None

    stored: list[str] = []
    with between(place, answer) as open_place:
        while len(asked) >= at:
            asked.clear()
            path = f"shop/manual/{at:03}.tar"
            with open_place() as destination:
                assert upload(destination, path).size_bytes == len(DATA)
            stored.append(path)
            at += 1
    with place.open() as destination:
        assert [file.path for file in destination.list()] == stored == place.files()
        assert list(destination.list_partials()) == []
    assert {place.read(path) for path in stored} == {DATA}
    # each request of an upload had its turn
    assert at > 4


# the servers of the others have quotas, and tests of their own
@pytest.mark.parametrize("place", [AzurePlace, GcsPlace, S3Place], indirect=True)
def test_a_store_that_is_full_in_the_middle_is_said_to_be(place: Any) -> None:
    sent = [0]

    def answer(request: Asked) -> Answer | None:
        if request.method in {"PUT", "POST"}:
            sent[0] += len(request.body)
        # the list of blocks takes no room
        is_part = request.method == "PUT" and "comp=blocklist" not in request.path
        is_full = is_part and request.body and sent[0] > 0.4 * len(DATA)
        return FULL[place.type] if is_full else None

    with between(place, answer) as open_place, open_place() as destination:
        with pytest.raises(DestinationFull) as caught:
            upload(destination, "shop/manual/a.tar")
        assert caught.value.hint
    assert place.files() == []
    with place.open() as destination:
        assert list(destination.list_partials()) == []
