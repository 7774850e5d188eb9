"""Answers without an end: listings that begin again, pages and ranges that never stop."""

import io
import resource
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from destinations.backends import StoredFile, create_destination
from destinations.exceptions import DestinationUnavailable
from tests.destinations.backends.azure.conftest import Open, open_azure
from tests.destinations.contract.dropbox_place import dropbox_options
from tests.support.memory_remote import MemoryRemote
from tests.support.servers.dropbox.server import ROUTES, Dropbox
from tests.support.servers.hostile import Answer, Asked, Hostile
from tests.support.servers.objects.azurite import Azurite

__all__ = ["open_azure"]

PATH = "shop/manual/backup.tar.gz"
MIB = 1024 * 1024
ABOUT = {"ETag": '"1"', "Last-Modified": "Fri, 27 Nov 2026 10:00:00 GMT", "x-ms-blob-type": "BlockBlob"}


def test_a_listing_that_comes_back_to_its_beginning_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def circle(*_: object) -> Iterator[StoredFile]:
        while True:
            yield from (StoredFile(f"shop/manual/{name}.tar", 1, None) for name in "abc")

    monkeypatch.setattr(MemoryRemote, "remote_list", circle)
    with pytest.raises(DestinationUnavailable, match="comes back to its beginning") as caught:
        list(MemoryRemote({"server": "endless", "path": "x"}).list())
    assert caught.value.hint


def test_a_listing_of_dropbox_that_goes_round_in_circles_is_an_error(
    dropbox: Dropbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope, _ = ROUTES["files/list_folder"]
    page = {"entries": [], "cursor": "again", "has_more": True}
    for route in ("files/list_folder", "files/list_folder/continue"):
        monkeypatch.setitem(ROUTES, route, (scope, lambda *_: page))
    with (
        create_destination("dropbox", dropbox_options(dropbox, root_path="site")) as destination,
        pytest.raises(DestinationUnavailable, match="no end"),
    ):
        list(destination.list())
    assert len(dropbox.requests) < 6


def endless() -> Iterator[bytes]:
    for _ in range(1000):
        yield bytes(MIB)


def in_range(asked: Asked) -> Answer:
    if asked.method == "HEAD":
        return Answer(200, ABOUT | {"Content-Length": str(8 * MIB)})
    begin = asked.headers["x-ms-range"].removeprefix("bytes=")
    return Answer(206, ABOUT | {"Content-Range": f"bytes {begin}/{8 * MIB}"}, endless())


@pytest.mark.parametrize(
    ("answer", "use"),
    [
        (in_range, lambda destination: destination.get(PATH, io.BytesIO())),
        (
            lambda asked: Answer(200, {"Content-Type": "application/xml"}, endless()),
            lambda destination: list(destination.list()),
        ),
    ],
)
def test_an_answer_without_an_end_does_not_fill_the_memory(
    open_azure: Open, azurite: Azurite, answer: Callable[[Asked], Answer], use: Callable[[Any], object]
) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with Hostile(answer) as server:
        destination = open_azure(connection_string=azurite.connection_string(server.port))
        with pytest.raises(DestinationUnavailable, match="more than it was asked for"):
            use(destination)
    # in KiB
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024
