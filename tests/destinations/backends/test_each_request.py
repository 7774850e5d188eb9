"""Each request in turn is answered with a fault: what was asked for is done all the same, and nothing else stays."""

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
from tests.support.servers.hostile import LOST, MUTE, Answer, Asked, Hostile

BLOCK = 256 * 1024
DATA = os.urandom(2 * BLOCK + 17)
OLD, OTHER, NEW = "shop/manual/old.tar", "shop/manual/other.tar", "shop/manual/new.tar"
# that a store asks for
WAIT_SECONDS = 7
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
def between(place: Any, answer: Callable[[Asked], Answer | None]) -> Iterator[Callable[..., Any]]:
    """Give a function that opens the place by way of a server that answers in its place."""
    context = None
    if place.type in {"dropbox", "webdav"}:
        certificate = place.request.getfixturevalue("certificates").valid
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
    with Hostile(answer, behind=place.server.port, context=context) as server:

        def open_place(*, established: bool = False) -> Any:
            own = place.options()
            if place.type == "dropbox":
                place.server.redirect(place.request.getfixturevalue("monkeypatch"), port=server.port)
            elif place.type == "webdav":
                own["url"] = own["url"].replace(f":{place.server.port}", f":{server.port}")
            else:
                options: Callable[..., dict[str, Any]] = OPTIONS[place.type]
                own |= options(place.server, port=server.port) | {"location": place.folder}
            return create_destination(place.type, own, established=established)

        yield open_place
    if place.type == "dropbox":
        place.server.redirect(place.request.getfixturevalue("monkeypatch"))


def upload(destination: Any, path: str) -> Any:
    digest = hashlib.sha256(DATA).hexdigest()
    return destination.put(io.BytesIO(DATA), path, size=len(DATA), token="t", sha256=digest)


class Clock:
    """A clock that only those who wait move, and nobody waits."""

    waited = 0.0

    def monotonic(self) -> float:
        return self.waited

    def sleep(self, seconds: float) -> None:
        self.waited += seconds


class Faults:
    """Answers each request with faults before the server may answer it: `of` gives those of the request of a number."""

    def __init__(self, of: Callable[[int], list[Answer]]) -> None:
        self._of = of
        self.left: dict[tuple[str | None, ...], list[Answer]] = {}

    def __call__(self, request: Asked) -> Answer | None:
        # what distinguishes the requests about one upload
        about = [request.headers.get(name) for name in ("dropbox-api-arg", "content-range")]
        left = self.left.setdefault((request.method, request.path, *about), self._of(len(self.left)))
        return left.pop(0) if left else None


USES: dict[str, Callable[[Any], object]] = {
    "upload": lambda d: upload(d, NEW),
    "read": lambda d: (d.head(OLD, 5), d.close(), d.get(OLD, io.BytesIO())),
    "look": lambda d: (d.require_reachable(), d.free_space(), d.stat(OLD)),
    "list": lambda d: (list(d.list()), list(d.list_partials())),
    "try": lambda d: d.require_writable("shop/manual", "t"),
    "delete": lambda d: d.delete(OTHER),
}
LEAST_REQUESTS = {"upload": 5, "read": 2, "look": 2, "list": 1, "try": 2, "delete": 3}


def use_with(place: Any, use: str, faults: Faults, retry_delays: tuple[float, ...]) -> None:
    """Use the place once, with faults at each request, and see that it was done, and that nothing else is left."""
    expected = {OLD: DATA, OTHER: b"x"}
    for path, data in expected.items():
        place.plant(path, data)
    with between(place, faults) as open_place, open_place(established=True) as destination:
        destination.retry_delays = retry_delays
        USES[use](destination)
    assert len(faults.left) >= LEAST_REQUESTS[use]
    if use == "upload":
        expected[NEW] = DATA
    elif use == "delete":
        del expected[OTHER]
    assert {path: place.read(path) for path in place.files()} == expected


@pytest.mark.parametrize("use", USES)
def test_a_request_whose_answer_does_not_come_costs_a_try(
    place: Any, use: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store has done it each time."""
    monkeypatch.setattr(RemoteDestination, "timeout", 0.1)
    # more than the faults: a slow machine may time out too
    use_with(place, use, Faults(lambda number: [MUTE, LOST] if number % 2 else [LOST, MUTE]), (0,) * 60)


@pytest.mark.parametrize("use", USES)
def test_a_store_that_is_busy_at_a_request_is_asked_again_after_the_time_it_names(
    place: Any, use: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    for module in ("backends.remote.calls", "transfer.persistence"):
        monkeypatch.setattr(f"destinations.{module}.time", clock)
    faults = Faults(lambda number: [Answer(503 if number % 2 else 429, {"Retry-After": str(WAIT_SECONDS)})])
    use_with(place, use, faults, (0,) * 20)
    # the end of a session that nobody waits for is not tried again: the store drops it by itself
    unheeded = (place.type, use) == ("gcs", "try")
    assert clock.waited == pytest.approx((len(faults.left) - unheeded) * WAIT_SECONDS)


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
