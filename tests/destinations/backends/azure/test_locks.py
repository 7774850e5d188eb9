"""Immutability policies: the requests, because Azurite has none, against answers as Azure documents them."""

import http.server
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from destinations.backends import create_destination
from destinations.exceptions import DestinationConfigError, Locked, VerificationFailed
from tests.destinations.conftest import put

KEY = "b3RoZXIta2V5LW9mLXRoZS10ZXN0cw=="
PATH = "shop/manual/backup.tar.gz"
UNTIL, MODE = "x-ms-immutability-policy-until-date", "x-ms-immutability-policy-mode"


class Store:
    """A container with version-level immutability; `keeps` says whether it takes its own locks seriously."""

    def __init__(self) -> None:
        self.blobs: dict[str, dict[str, str]] = {}
        self.blocks: list[str] = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.keeps = self.locks = True
        self.port = 0

    def answer(self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes) -> Any:
        """Return status, headers and body."""
        self.requests.append((method, query.get("comp", ""), headers))
        about = {"ETag": '"1"', "Last-Modified": format_datetime(datetime.now(UTC), usegmt=True)}
        match method, query.get("comp", ""):
            case "PUT", "block":
                self.blocks.append(query["blockid"])
                return 201, {}, b""
            case "GET", "blocklist":
                found = "".join(f"<Block><Name>{one}</Name><Size>1</Size></Block>" for one in self.blocks)
                return 200, about, f"<BlockList><UncommittedBlocks>{found}</UncommittedBlocks></BlockList>".encode()
            case "PUT", "blocklist":
                policy = {name: headers[name] for name in (UNTIL, MODE) if name in headers} if self.locks else {}
                size = str(len(self.blocks) if path.endswith(PATH) else 0)
                self.blobs[path] = {"Content-Length": size, "x-ms-version-id": "v1", **policy}
                return 201, about | {"x-ms-request-server-encrypted": "true"}, b""
            case "PUT", "immutabilityPolicies":
                self.blobs[path] |= {name: headers[name] for name in (UNTIL, MODE)}
                return 200, {}, b""
            case "HEAD", _:
                if path not in self.blobs:
                    return 404, {"x-ms-error-code": "BlobNotFound"}, b""
                return 200, about | {"x-ms-blob-type": "BlockBlob"} | self.blobs[path], b""
            case "DELETE", _:
                if self.keeps and query.get("versionid") and UNTIL in self.blobs[path]:
                    return 409, {"x-ms-error-code": "BlobImmutableDueToPolicy"}, b""
                if not query.get("versionid"):
                    self.blobs.pop(path)
                return 202, {}, b""
        return 200, {}, b'<EnumerationResults ServiceEndpoint="x" ContainerName="c"><Blobs/></EnumerationResults>'


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, answer, data = store.answer(self.command, parts.path, query, headers, body)
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(data)), "Content-Type": "application/xml"} | answer).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_PUT(self) -> None:
            self.do_GET()

        def do_DELETE(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        store.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield store
        server.shutdown()
        thread.join()


def opened(store: Any, **options: Any) -> Any:
    login = {"account_name": "a", "account_key": KEY, "endpoint_url": f"http://127.0.0.1:{store.port}"}
    return create_destination("azure", {"azure_container": "backups", "lock_max_days": 60} | login | options)


def header_of(store: Store, comp: str, name: str) -> str:
    return next(headers.get(name, "") for _, asked, headers in store.requests if asked == comp)


def test_an_archive_is_locked_by_the_request_that_publishes_it(store: Store) -> None:
    with opened(store, lock_days=30) as destination:
        stored = put(destination, PATH, b"x")
    published = [headers for method, comp, headers in store.requests if (method, comp) == ("PUT", "blocklist")]
    assert [headers[MODE] for headers in published] == ["Locked"]
    assert published[0]["if-none-match"] == "*"
    assert abs(stored.locked_until - datetime.now(UTC) - timedelta(days=30)) < timedelta(minutes=1)


def test_what_is_locked_is_not_hidden_by_a_deletion(store: Store) -> None:
    with opened(store, lock_days=30) as destination:
        put(destination, PATH, b"x")
        with pytest.raises(Locked) as caught:
            destination.delete(PATH)
    assert caught.value.until is not None
    assert [method for method, _, _ in store.requests].count("DELETE") == 0


def test_a_lock_is_set_and_made_longer_never_shorter_and_never_beyond_what_is_confirmed(store: Store) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    with opened(store, lock_mode="Unlocked") as destination:
        put(destination, PATH, b"x")
        assert destination.lock(PATH, now + timedelta(days=20)).locked_until == now + timedelta(days=20)
        assert header_of(store, "immutabilityPolicies", MODE) == "Unlocked"
        assert destination.lock(PATH, now + timedelta(days=10)).locked_until == now + timedelta(days=20)
        with pytest.raises(DestinationConfigError) as caught:
            destination.lock(PATH, now + timedelta(days=90))
        assert caught.value.option == "lock_max_days"


def test_the_test_tries_to_delete_a_locked_version(store: Store) -> None:
    with opened(store) as destination:
        ((name, step),) = destination.lock_steps()
        assert (name, "refuses" in step()) == ("lock", True)
        store.keeps = False
        with pytest.raises(VerificationFailed, match="protect nothing"):
            step()
        store.locks = False
        with pytest.raises(VerificationFailed, match="keeps none"):
            step()
