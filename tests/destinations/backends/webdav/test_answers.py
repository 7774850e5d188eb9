"""What servers and what is before them answer, and what becomes of it."""

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from destinations.backends.webdav import WebdavDestination
from destinations.exceptions import (
    ConnectionLost,
    DestinationError,
    DestinationFull,
    DestinationUnavailable,
    NameTaken,
    NotFound,
)
from tests.destinations.backends.webdav.odd_server import Answer, OddServer, Request, file, folder, multistatus

MIB = 1024 * 1024
DATA = os.urandom(MIB + 5)


class Opened:
    """Opens a destination on a server with the given answers."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def __call__(self, answer: Any, **options: Any) -> tuple[WebdavDestination, OddServer]:
        server = self._stack.enter_context(OddServer(answer))
        login = {} if "token" in options else {"username": "u", "password": "canary-1"}
        given = {"url": server.url, "base_path": "b", "read_back": False, **login, **options}
        return self._stack.enter_context(WebdavDestination(given)), server


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    monkeypatch.setattr(WebdavDestination, "retry_delays", ())
    with ExitStack() as stack:
        yield Opened(stack)


@pytest.mark.parametrize(
    ("status", "kind", "says"),
    [
        (401, DestinationUnavailable, "refuses the login"),
        (403, DestinationUnavailable, "does not permit"),
        (404, NotFound, "no file"),
        (405, DestinationUnavailable, "does not do that"),
        (409, DestinationUnavailable, "folder above"),
        (412, NameTaken, "in use"),
        (413, DestinationFull, "larger"),
        (423, DestinationUnavailable, "locked"),
        (429, ConnectionLost, "now"),
        (500, DestinationUnavailable, "500"),
        (501, DestinationUnavailable, "501"),
        (502, ConnectionLost, "now"),
        (503, ConnectionLost, "now"),
        (507, DestinationFull, "quota"),
        (301, DestinationUnavailable, "elsewhere.example.org"),
        (200, DestinationUnavailable, "200"),
    ],
)
def test_each_status_is_a_sentence_with_what_to_do(
    opened: Opened, status: int, kind: type[DestinationError], says: str
) -> None:
    headers = {"Location": "https://elsewhere.example.org/dav/"} if status == 301 else {}
    destination, _ = opened(lambda request: (status, headers, b"<html>"))
    with pytest.raises(kind, match=says) as caught:
        destination.stat("a.tar")
    assert caught.value.hint
    assert "canary" not in caught.value.text


def test_a_server_that_asks_to_wait_is_tried_again_after_that_time(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WebdavDestination, "retry_delays", (0.0, 0.0))
    waited: list[float] = []
    monkeypatch.setattr("destinations.backends.remote.calls.time.sleep", waited.append)
    answers = iter([(503, {"Retry-After": "0"}, b""), (429, {"Retry-After": "0"}, b"")])

    def answer(request: Request) -> Answer:
        return next(answers, None) or multistatus(file("/dav/b/a.tar", 7))

    destination, _ = opened(answer)
    assert destination.stat("a.tar").size_bytes == 7
    other, _ = opened(lambda request: (503, {"Retry-After": "3600"}, b""))
    monkeypatch.setattr(WebdavDestination, "retry_delays", ())
    with pytest.raises(ConnectionLost) as caught:
        other.stat("a.tar")
    # no server holds up a backup for an hour
    assert 60 <= caught.value.retry_after <= 300


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_goes_on_in_the_middle_whether_the_server_knows_ranges_or_not(opened: Opened, ranges: bool) -> None:
    def answer(request: Request) -> Answer:
        if request.method == "PROPFIND":
            return multistatus(file("/dav/b/a.tar", len(DATA)))
        if "Range" in request.headers and ranges:
            begin = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            return 206, {"Content-Range": f"bytes {begin}-{len(DATA) - 1}/{len(DATA)}"}, DATA[begin:]
        if "Range" in request.headers:
            return 200, {}, DATA
        return 200, {"Content-Length": str(len(DATA)), "Connection": "close"}, DATA[: MIB // 2]

    destination, server = opened(answer)
    destination.retry_delays = (0.0, 0.0)  # type: ignore[misc]
    sink = io.BytesIO()
    assert destination.get("a.tar", sink) == len(DATA)
    assert sink.getvalue() == DATA
    assert server.requests[-1].headers["Range"] == f"bytes={MIB // 2}-"


@pytest.mark.parametrize(
    "answer",
    [
        (206, {"Content-Range": "bytes 5-9/10"}, b"56789"),
        (200, {"Content-Encoding": "gzip"}, b"0123456789"),
    ],
)
def test_another_part_or_form_of_a_file_is_refused(opened: Opened, answer: Answer) -> None:
    destination, _ = opened(lambda r: multistatus(file("/dav/b/a.tar", 10)) if r.method == "PROPFIND" else answer)
    with pytest.raises(DestinationUnavailable, match="not answer as WebDAV"):
        destination.get("a.tar", io.BytesIO())


@pytest.mark.parametrize(
    "body",
    [
        b"<html><body>Log in</body></html>",
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aa">]><d:multistatus xmlns:d="DAV:">&a;</d:multistatus>',
        multistatus()[2],
        multistatus(folder("/dav/b/"), file("/elsewhere/a.tar", 5))[2],
        multistatus(file("/dav/b/a.tar", 5))[2],
        multistatus(folder("/dav/b/"), file("/dav/b/" + "x" * 9000, 5))[2],
    ],
)
def test_what_is_no_listing_of_the_folder_never_reads_as_empty(opened: Opened, body: bytes) -> None:
    def answer(request: Request) -> Answer:
        if request.headers["Depth"] == "0":
            return multistatus(folder("/dav/b/"))
        return 207, {}, body

    destination, _ = opened(answer)
    with pytest.raises(DestinationUnavailable, match="not answer as WebDAV"):
        list(destination.list())


def test_a_listing_that_ends_early_or_whose_second_folder_fails_raises(opened: Opened) -> None:
    whole = multistatus(folder("/dav/b/"), file("/dav/b/a.tar", 5), folder("/dav/b/shop/"))[2]

    def cut(request: Request) -> Answer:
        if request.headers["Depth"] == "0":
            return multistatus(folder("/dav/b/"))
        return 207, {"Content-Length": str(len(whole)), "Connection": "close"}, whole[:-40]

    def failing(request: Request) -> Answer:
        if request.headers["Depth"] == "0":
            return multistatus(folder("/dav/b/"))
        return (207, {}, whole) if request.path == "/dav/b/" else (500, {}, b"")

    for answer, kind in ((cut, ConnectionLost), (failing, DestinationUnavailable)):
        destination, server = opened(answer)
        with pytest.raises(kind):
            list(destination.list())
        assert {request.headers["Depth"] for request in server.requests} == {"0", "1"}


def test_a_token_is_sent_and_a_password_over_http_not_before_it_was_asked_for(opened: Opened) -> None:
    def answer(request: Request) -> Answer:
        if not request.headers.get("Authorization"):
            return 401, {"WWW-Authenticate": 'Basic realm="x"'}, b""
        return multistatus(file("/dav/b/a.tar", 1))

    destination, server = opened(answer, token="canary-token")
    destination.stat("a.tar")
    assert [request.headers["Authorization"] for request in server.requests] == ["Bearer canary-token"]
    destination, server = opened(answer)
    destination.stat("a.tar")
    sent = [request.headers.get("Authorization", "").split(" ")[0] for request in server.requests]
    assert sent == ["", "Basic"]


def test_a_server_that_ignores_that_a_name_is_taken_is_asked_before(opened: Opened) -> None:
    """A stand-in that moves whatever `Overwrite` says, as some servers do."""
    stored = {"/dav/b/a.tar": b"theirs"}

    def answer(request: Request) -> Answer:
        path = request.path.rstrip("/")
        if request.method == "PROPFIND":
            if path in ("/dav/b", ""):
                return multistatus(folder("/dav/b/"))
            return multistatus(file(path, len(stored[path]))) if path in stored else (404, {}, b"")
        if request.method == "PUT":
            stored[path] = request.body
        elif request.method == "MOVE":
            stored["/" + request.headers["Destination"].partition("//")[2].partition("/")[2]] = stored.pop(path)
        elif request.method == "DELETE":
            del stored[path]
        return 201, {}, b""

    destination, _ = opened(answer)
    with pytest.raises(NameTaken):
        destination.put(io.BytesIO(b"ours"), "a.tar", size=4, token="t")
    taken: list[int] = []

    class Source(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            taken.append(1)
            stored["/dav/b/b.tar"] = b"theirs"
            return super().read(size)

    with pytest.raises(NameTaken):
        destination.put(Source(b"ours"), "b.tar", size=4, token="t")
    assert taken
    assert stored == {"/dav/b/a.tar": b"theirs", "/dav/b/b.tar": b"theirs"}


def test_a_negative_quota_is_none(opened: Opened) -> None:
    quota = (
        "<d:response><d:href>/dav/b/</d:href><d:propstat><d:prop><d:resourcetype><d:collection/></d:resourcetype>"
        "<d:quota-available-bytes>{}</d:quota-available-bytes></d:prop><d:status>HTTP/1.1 200 OK</d:status>"
        "</d:propstat></d:response>"
    )
    for text, free in (("-3", None), ("17", 17)):
        destination, _ = opened(lambda request, text=text: multistatus(quota.format(text)))
        assert destination.free_space() == free
