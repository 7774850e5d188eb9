"""What goes wrong with a store: each as one error that names the place and what to do, and nothing half done."""

import io
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from destinations.backends import Destination, create_destination
from destinations.backends.s3 import S3Destination
from destinations.backends.s3.answers import S3Refused
from destinations.backends.s3.bucket import Bucket
from destinations.exceptions import (
    ConnectionLost,
    DestinationError,
    DestinationFull,
    DestinationUnavailable,
    NotFound,
    PeerNotTrusted,
    VerificationFailed,
)
from tests.destinations.backends.s3.buckets import BUCKET, s3_options
from tests.destinations.backends.s3.conftest import Open
from tests.destinations.conftest import put
from tests.support.servers.certificates import Certificates
from tests.support.servers.objects.moto import Moto
from tests.support.servers.proxy import Proxy
from tests.support.servers.running.accounts import APPEND_ONLY, READ_ONLY, UNLISTED
from tests.support.servers.running.ports import free_port

MIB = 1024 * 1024
PATH = "shop/manual/backup.tar.gz"


class Cancelled(BaseException):
    pass


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bucket_name": "no-such-bucket"}, "no such bucket"),
        ({"access_key": "AKIAUNKNOWN", "secret_key": "x" * 20}, "access key"),
        ({"secret_key": "wrong-secret-canary"}, "secret key"),
    ],
)
def test_wrong_options_are_named_by_every_use(open_s3: Open, options: dict[str, Any], words: str) -> None:
    destination = open_s3(**options)
    uses: list[Callable[[], object]] = [
        destination.test,
        lambda: list(destination.list()),
        lambda: list(destination.list_partials()),
        lambda: destination.get(PATH, io.BytesIO()),
        lambda: put(destination, PATH, b"x"),
    ]
    for use in uses:
        with pytest.raises(DestinationUnavailable, match=words) as caught:
            use()
        assert caught.value.hint
        assert "wrong-secret-canary" not in caught.value.text


@pytest.mark.parametrize("use", ["stat", "delete"])
def test_a_bucket_that_is_gone_is_not_a_file_that_is_not_there(open_s3: Open, use: str) -> None:
    with pytest.raises(DestinationUnavailable) as caught:
        getattr(open_s3(bucket_name="no-such-bucket"), use)(PATH)
    assert not isinstance(caught.value, NotFound)


def test_rights_that_lack_are_named(open_s3: Open, moto: Moto) -> None:
    def account(name: str) -> Destination:
        key = moto.access_keys[name]
        return open_s3(access_key=key.id, secret_key=key.secret)

    put(open_s3(), PATH, b"x")
    with pytest.raises(DestinationUnavailable) as caught:
        put(account(READ_ONLY), "shop/manual/other.tar", b"x")
    assert "s3:PutObject" in caught.value.hint
    with pytest.raises(DestinationUnavailable) as caught:
        account(APPEND_ONLY).delete(PATH)
    assert "s3:DeleteObject" in caught.value.hint
    with pytest.raises(DestinationUnavailable) as caught:
        list(account(UNLISTED).list())
    assert "s3:ListBucket" in caught.value.hint


@pytest.mark.parametrize("kind", ["expired", "wrong_name", "unknown_ca"])
def test_a_certificate_that_is_not_trusted_ends_the_connection(
    moto: Moto, certificates: Certificates, kind: str, tls_server: Callable[[Any], int]
) -> None:
    port = tls_server(getattr(certificates, kind))
    options = s3_options(moto, endpoint_url=f"https://127.0.0.1:{port}", verify=str(certificates.ca_file))
    with create_destination("s3", options) as destination:
        for use in (destination.test, lambda: list(destination.list())):
            with pytest.raises(PeerNotTrusted) as caught:
                use()
            assert "127.0.0.1" in caught.value.message


def test_a_trusted_certificate_is_accepted_and_a_missing_file_of_authorities_is_named(
    moto: Moto, certificates: Certificates, tls_server: Callable[[Any], int]
) -> None:
    port = tls_server(certificates.valid)
    options = s3_options(moto, endpoint_url=f"https://127.0.0.1:{port}", verify=str(certificates.ca_file))
    with create_destination("s3", options) as destination:
        assert list(destination.list()) == []
    with create_destination("s3", options | {"verify": "/no/such/file.pem"}) as destination:
        with pytest.raises(DestinationError) as caught:
            list(destination.list())
        assert "/no/such/file.pem" in caught.value.message


def test_a_port_where_nothing_listens_is_named(open_s3: Open) -> None:
    port = free_port()
    with pytest.raises(ConnectionLost) as caught:
        list(open_s3(endpoint_url=f"http://127.0.0.1:{port}").list())
    assert str(port) in caught.value.message


@pytest.mark.parametrize("use", ["list", "put", "get", "test"])
def test_a_mute_store_ends_a_step_after_its_timeout(
    open_s3: Open, proxy: Proxy, use: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = open_s3(proxy, timeout=1)
    put(destination, PATH, b"x" * MIB)
    proxy.mute(up=1)
    uses: dict[str, Callable[[], object]] = {
        "list": lambda: list(destination.list()),
        "put": lambda: put(destination, "shop/manual/other.tar", b"x"),
        "get": lambda: destination.get(PATH, io.BytesIO()),
        "test": destination.test,
    }
    monkeypatch.setattr(S3Destination, "retry_delays", ())
    with pytest.raises(ConnectionLost):
        uses[use]()


@pytest.mark.parametrize("use", ["put", "get"])
def test_a_cancel_ends_a_transfer_at_once_while_the_store_is_mute(open_s3: Open, proxy: Proxy, use: str) -> None:
    destination = open_s3(proxy, timeout=30)
    put(destination, PATH, b"x" * 3 * MIB)
    proxy.mute(**({"up": MIB} if use == "put" else {"down": MIB}))
    begun = 0.0

    def cancel(moved: int) -> None:
        nonlocal begun
        begun = begun or time.monotonic()
        if time.monotonic() > begun + 0.4:
            raise Cancelled

    with pytest.raises(Cancelled):
        if use == "put":
            destination.put(io.BytesIO(bytes(3 * MIB)), "a.tar", size=3 * MIB, token="t", progress=cancel)
        else:
            destination.get(PATH, io.BytesIO(), progress=cancel)
    assert time.monotonic() - begun < 3.5


def test_a_byte_that_is_changed_on_the_way_is_noticed(answering: "Answers") -> None:
    answering.by = {"PUT": (400, "BadDigest", {})}
    with pytest.raises(VerificationFailed):
        put(answering.open(), PATH, b"x")


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (403, "RequestTimeTooSkewed", DestinationUnavailable, "clock"),
        (507, "XMinioStorageFull", DestinationFull, "room"),
        (403, "QuotaExceeded", DestinationFull, "room"),
        (400, "ExpiredToken", DestinationUnavailable, "expired"),
        (301, "PermanentRedirect", DestinationUnavailable, "region"),
        (501, "NotImplemented", DestinationUnavailable, "does not know"),
        (418, "Teapot", DestinationUnavailable, "Teapot"),
        (503, "SlowDown", ConnectionLost, "busy"),
        (429, "TooManyRequests", ConnectionLost, "busy"),
    ],
)
def test_what_a_store_answers_is_explained(
    answering: "Answers", status: int, code: str, kind: type[DestinationError], words: str
) -> None:
    answering.by = {"GET": (status, code, {})}
    with pytest.raises(kind) as caught:
        list(answering.open().list())
    assert words in caught.value.message
    assert caught.value.hint


def test_a_clock_that_differs_is_named_with_its_difference(answering: "Answers") -> None:
    answering.by = {"GET": (403, "RequestTimeTooSkewed", {"Date": "Fri, 27 Nov 2020 12:00:00 GMT"})}
    with pytest.raises(DestinationUnavailable, match="ahead"):
        list(answering.open().list())


def test_an_answer_that_is_not_of_a_store_is_explained(answering: "Answers") -> None:
    for page in (b"<html><body>Please log in</body></html>", b"<html>", b""):
        answering.page = page
        with pytest.raises(DestinationUnavailable) as caught:
            list(answering.open().list())
        assert caught.value.hint


def test_a_listing_whose_second_page_fails_is_an_error(open_s3: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    destination = open_s3()
    for number in range(3):
        put(destination, f"shop/manual/{number}.tar", b"x")
    call = Bucket.call

    def two_a_page(self: Bucket, operation: str, **parameters: Any) -> dict[str, Any]:
        if "ContinuationToken" in parameters:
            raise S3Refused("ListObjectsV2", "InternalError", 500, "", {})
        return call(self, operation, MaxKeys=2, **parameters)

    monkeypatch.setattr(Bucket, "call", two_a_page)
    with pytest.raises(ConnectionLost):
        list(destination.list())


def test_foreign_files_are_passed_by_a_page_at_a_time(
    open_s3: Open, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = open_s3()
    put(destination, PATH, b"x")
    for number in range(25):
        key = f"{destination.options['location']}/with space/{number}"
        bucket.put_object(Bucket=BUCKET, Key=key, Body=b"")
    call, pages = Bucket.call, 0

    def ten_a_page(self: Bucket, operation: str, **parameters: Any) -> dict[str, Any]:
        nonlocal pages
        pages += 1
        return call(self, operation, MaxKeys=10, **parameters)

    monkeypatch.setattr(Bucket, "call", ten_a_page)
    assert [file.path for file in destination.list()] == [PATH]
    assert pages == 3


def test_an_upload_goes_on_when_the_server_was_restarted(
    open_s3: Open, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(S3Destination, "retry_delays", (0.1, 0.4, 0.4))
    data = os.urandom(6 * MIB)
    destination = open_s3(proxy)
    restarts: list[threading.Timer] = []

    def restart() -> None:
        proxy.wait_for(up=MIB)
        proxy.refuse()
        proxy.cut_all()
        restarts.append(threading.Timer(0.3, proxy.accept))
        restarts[0].start()

    thread = threading.Thread(target=restart)
    thread.start()
    put(destination, PATH, data)
    thread.join()
    restarts[0].join()
    sink = io.BytesIO()
    destination.get(PATH, sink)
    assert sink.getvalue() == data


class Answers(ThreadingHTTPServer):
    """An S3 endpoint that answers requests of a method with an error; others as a store with an empty bucket."""

    by: dict[str, tuple[int, str, dict[str, str]]]
    page = b"<ListBucketResult><Name>backups</Name><IsTruncated>false</IsTruncated></ListBucketResult>"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.by = {}

    def open(self, **options: Any) -> Destination:
        endpoint = f"http://127.0.0.1:{self.server_port}"
        keys = {
            "access_key": "AKIATEST",
            "secret_key": "canary",
            "addressing_style": "path",
            "region_name": "eu-west-1",
        }
        return create_destination(
            "s3", {"bucket_name": BUCKET, "endpoint_url": endpoint, "timeout": 5, **keys, **options}
        )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server = self.server
        assert isinstance(server, Answers)
        status, code, headers = server.by.get(self.command, (404 if self.command == "HEAD" else 200, "", {}))
        if self.command == "HEAD" and self.path.count("/") == 1:
            status = 200
        body = f"<Error><Code>{code}</Code><Message>told</Message></Error>".encode() if code else server.page
        if self.command == "POST":
            body = b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
        self.send_response_only(status)
        for name, value in ({"Date": self.date_time_string()} | headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0" if self.command == "HEAD" else str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer  # noqa: N815

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def answering() -> Iterator[Answers]:
    with Answers() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def tls_server() -> Iterator[Callable[[Any], int]]:
    """Return a function that serves an empty bucket with a certificate, and returns the port."""
    servers: list[Answers] = []

    def serve(certificate: Any) -> int:
        server = Answers()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append(server)
        return server.server_port

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_nothing_secret_is_in_the_errors_or_the_location(open_s3: Open, moto: Moto) -> None:
    destination = open_s3()
    secret = destination.options["secret_key"]
    assert str(secret) not in destination.location() + repr(destination)


def test_a_file_in_the_way_of_the_workspace_is_not_blamed_on_the_store(open_s3: Open, tmp_path: Path) -> None:
    destination = open_s3()
    put(destination, PATH, b"x")
    with pytest.raises(IsADirectoryError), tmp_path.open("wb") as sink:
        destination.get(PATH, sink)
