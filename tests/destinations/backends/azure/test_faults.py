"""What goes wrong: logins, rights, containers, connections; each an error that says what to do."""

import http.server
import io
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from azure.storage.blob import ContainerClient

from destinations.backends.azure import AzureDestination, session
from destinations.backends.azure.account import Account
from destinations.backends.azure.answers import AzureRefused, explain
from destinations.exceptions import (
    ConnectionLost,
    DestinationConfigError,
    DestinationError,
    DestinationFull,
    DestinationUnavailable,
    Locked,
    NameTaken,
    NotFound,
    PeerNotTrusted,
    VerificationFailed,
)
from tests.destinations.backends.azure.conftest import Open
from tests.destinations.backends.azure.test_uploads import DATA, PATH, fetched, name_in, upload
from tests.destinations.conftest import put
from tests.destinations.contract.azure_place import container_of
from tests.support.servers.certificates import Certificates
from tests.support.servers.objects.azurite import ACCOUNT_KEY, Azurite
from tests.support.servers.proxy import Proxy
from tests.support.sites.worker_site import eventually

MIB = 1024 * 1024
OTHER_KEY = "b3RoZXIta2V5LW9mLXRoZS10ZXN0cw=="

Signed = Callable[..., dict[str, Any]]


class Cancelled(BaseException):
    pass


def uses(destination: Any) -> list[Callable[[], object]]:
    return [lambda: list(destination.list()), lambda: destination.stat(PATH), lambda: put(destination, PATH, b"x")]


def test_a_wrong_key_is_named_and_never_reads_as_an_empty_place(open_azure: Open, azurite: Azurite) -> None:
    text = azurite.connection_string().replace(ACCOUNT_KEY, OTHER_KEY)
    for use in uses(open_azure(connection_string=text)):
        with pytest.raises(DestinationUnavailable) as caught:
            use()
        assert "connection_string" in caught.value.hint
        assert OTHER_KEY not in caught.value.text


def test_a_signature_that_has_expired_says_when(open_azure: Open, signed: Signed) -> None:
    login = signed(begin=-120, end=-60)
    for use in uses(open_azure(**login)):
        with pytest.raises(DestinationUnavailable, match=r"expired at \d{4}-") as caught:
            use()
        assert "sas_token" in caught.value.hint
        assert login["sas_token"] not in caught.value.text


def test_a_signature_that_is_not_valid_yet_says_since_when(open_azure: Open, signed: Signed) -> None:
    with pytest.raises(DestinationUnavailable, match="not valid before"):
        open_azure(**signed(begin=60, end=120)).stat(PATH)


def test_a_login_by_a_signature_does_all_that_a_backup_needs(open_azure: Open, signed: Signed) -> None:
    destination = open_azure(**signed())
    upload(destination)
    assert fetched(destination) == DATA
    destination.delete(PATH)
    assert [step.name for step in destination.test()][:4] == ["resolve", "connect", "TLS", "log in"]


@pytest.mark.parametrize(
    ("rights", "lacks", "use"),
    [
        ("rdl", "write", lambda d: put(d, "a/new.tar", b"x")),
        ("rcwd", "list", lambda d: list(d.list())),
        ("rcwd", "list", lambda d: list(d.list_partials())),
        ("rcwl", "delete", lambda d: d.delete(PATH)),
        ("cwdl", "read", lambda d: d.stat(PATH)),
    ],
)
def test_a_right_that_a_signature_lacks_is_named(
    open_azure: Open, signed: Signed, rights: str, lacks: str, use: Callable[[Any], object]
) -> None:
    put(open_azure(), PATH, b"x")
    with pytest.raises(DestinationUnavailable, match=f"no right to {lacks}") as caught:
        use(open_azure(**signed(rights)))
    assert "sas_token" in caught.value.hint
    assert open_azure().stat(PATH).size_bytes == 1


def test_a_container_that_is_not_there_is_an_error_unless_it_may_be_made(
    open_azure: Open, azurite: Azurite, apart: str
) -> None:
    for use in uses(open_azure(azure_container=apart, create_container=False)):
        with pytest.raises(DestinationUnavailable, match="no such container"):
            use()
    destination = open_azure(azure_container=apart)
    assert list(destination.list()) == list(destination.list_partials()) == []
    with pytest.raises(NotFound):
        destination.stat(PATH)
    upload(destination)
    assert fetched(destination) == DATA
    # private: nothing is public
    assert (
        ContainerClient.from_connection_string(azurite.connection_string(), apart).get_container_properties()[
            "public_access"
        ]
        is None
    )


def test_a_container_that_is_gone_is_never_made_again(open_azure: Open, azurite: Azurite, apart: str) -> None:
    put(open_azure(azure_container=apart), PATH, b"x")
    container_of(azurite, apart).delete_container()
    for use in uses(open_azure(azure_container=apart, established=True)):
        with pytest.raises(DestinationUnavailable, match="gone or empty"):
            use()
    assert not container_of(azurite, apart).exists()


def test_archives_that_were_there_and_are_gone_are_an_error(open_azure: Open) -> None:
    put(open_azure(), PATH, b"x")
    open_azure(established=True).stat(PATH)
    for use in uses(open_azure(established=True, location="elsewhere")):
        with pytest.raises(DestinationUnavailable, match="gone or empty"):
            use()


def test_another_server_at_that_port_is_named_and_reads_as_no_empty_place(open_azure: Open, azurite: Azurite) -> None:
    with answering(b"<html>log in</html>") as port:
        for use in uses(open_azure(connection_string=azurite.connection_string(port))):
            with pytest.raises(DestinationError) as caught:
                use()
            assert not isinstance(caught.value, NotFound)
            assert f"127.0.0.1:{port}" in caught.value.message


@contextmanager
def answering(body: bytes, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Give the port of a server that answers everything with a page, as a proxy with a login does."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_PUT(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    class Server(http.server.ThreadingHTTPServer):
        def get_request(self) -> tuple[Any, Any]:
            connection, address = super().get_request()
            if context is not None:
                # the handshake is made at the first read, in the thread of the connection
                connection = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            return connection, address

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Say nothing of clients that do not trust it."""

    with Server(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("certificate", "match"),
    [("unknown_ca", "authority"), ("expired", "expired"), ("wrong_name", "another host name|another address")],
)
def test_a_certificate_that_does_not_fit_is_refused(
    certificates: Certificates, certificate: str, match: str, open_azure: Open
) -> None:
    shown = getattr(certificates, certificate)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(shown.certificate, shown.key)
    with answering(b"", context) as port:
        string = f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={OTHER_KEY};BlobEndpoint="
        destination = open_azure(
            connection_string=f"{string}https://127.0.0.1:{port}/a;", verify=str(certificates.ca_file)
        )
        for use in (*uses(destination), destination.test):
            with pytest.raises(PeerNotTrusted, match=match):
                use()


@pytest.mark.parametrize("down", [0, 200])
def test_a_store_that_goes_mute_is_given_up(
    open_azure: Open, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, down: int
) -> None:
    monkeypatch.setattr(AzureDestination, "timeout", 0.4)
    monkeypatch.setattr(AzureDestination, "retry_delays", ())
    proxy.mute(down=down)
    with pytest.raises(ConnectionLost) as caught:
        put(open_azure(proxy), PATH, b"x")
    assert f"127.0.0.1:{proxy.port}" in caught.value.message


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_cancel_ends_it_within_two_seconds_while_the_store_is_mute(
    open_azure: Open, proxy: Proxy, direction: str
) -> None:
    upload(open_azure())
    destination = open_azure(proxy)
    destination.require_reachable()
    proxy.mute(**{direction: MIB})
    cancelled_at: list[float] = []

    def progress(moved: int) -> None:
        if moved == 0 and proxy._all_muted:
            cancelled_at.append(time.monotonic())
            raise Cancelled

    with pytest.raises(Cancelled):
        if direction == "up":
            destination.put(io.BytesIO(DATA), "a/b.tar", size=len(DATA), token="t", progress=progress)
        else:
            destination.get(PATH, io.BytesIO(), progress=progress)
    # two seconds are promised; a busy machine may take its time
    assert time.monotonic() - cancelled_at[0] < 6


def test_a_download_that_is_cut_goes_on_where_it_was(open_azure: Open, proxy: Proxy) -> None:
    upload(open_azure())
    destination, sink, received = open_azure(proxy), io.BytesIO(), [0]
    proxy.cut(down=2 * MIB)
    destination.get(PATH, sink, progress=received.append)
    assert sink.getvalue() == DATA
    assert sum(received) == len(DATA)


def test_a_file_that_changes_while_it_is_read_is_an_error(
    open_azure: Open, container: ContainerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = open_azure()
    upload(destination)
    read = session.Container.read

    def change(self: session.Container, name: str, begin: int, size: int, etag: str) -> bytes:
        if begin:
            container.upload_blob(name, bytes(len(DATA)), overwrite=True)
        return read(self, name, begin, size, etag)

    monkeypatch.setattr(session.Container, "read", change)
    with pytest.raises(DestinationUnavailable, match="changed"):
        fetched(destination)


def test_a_store_that_restarts_during_an_upload_gets_it_all_the_same(
    azurite: Azurite, proxy: Proxy, open_azure: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AzureDestination, "retry_delays", (0.2,) * 50)
    destination = open_azure(proxy)
    destination.require_reachable()
    # the server writes the names of its containers every few seconds, and is killed here
    names = azurite.folder / "data" / "__azurite_db_blob__.json"
    eventually(lambda: names.exists() and '"name":"backups"' in names.read_text(), within=20)
    begun = proxy.bytes["up"]
    proxy.rate(8 * MIB)

    def restart() -> None:
        proxy.wait_for(up=begun + MIB)
        azurite.restart()
        proxy.rate(None)

    thread = threading.Thread(target=restart)
    thread.start()
    upload(destination)
    thread.join()
    assert fetched(open_azure()) == DATA


def test_a_listing_that_fails_at_its_second_page_raises_and_one_that_is_cut_once_is_whole(
    open_azure: Open, container: ContainerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PAGE", 2)
    destination = open_azure()
    names = [f"shop/manual/archive-{number}.tar" for number in range(5)]
    for name in names:
        container.upload_blob(name_in(destination, name), b"x")
    pages = session.Container.pages
    failing = [2]

    def fail(self: session.Container, prefix: str, **options: Any) -> Any:
        for number, page in enumerate(pages(self, prefix, **options)):
            if number == 1 and failing[0]:
                failing[0] -= 1
                raise AzureRefused("ServerBusy", 503, "", {"retry-after": "0"}, "l")
            yield page

    monkeypatch.setattr(session.Container, "pages", fail)
    assert [file.path for file in destination.list()] == names
    failing[0] = 10**6
    with pytest.raises(ConnectionLost, match="ServerBusy"):
        list(destination.list())


def test_thousands_of_foreign_files_are_no_concern(open_azure: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    destination = open_azure()
    put(destination, PATH, b"x")
    begin = destination._prefix
    foreign = [session.Blob(f"{begin}Bild {number} für Opa.jpg", 1, None, "", {}, None) for number in range(3000)]
    pages = session.Container.pages
    monkeypatch.setattr(
        session.Container, "pages", lambda self, prefix, **options: iter([foreign, *pages(self, prefix, **options)])
    )
    assert [file.path for file in destination.list()] == [PATH]


def account(**options: Any) -> Account:
    plain: dict[str, Any] = dict.fromkeys(("connection_string", "sas_token", "endpoint_url", "endpoint_suffix"), "")
    return Account.of({**plain, "account_name": "shop", "account_key": OTHER_KEY, **options})


@pytest.mark.parametrize(
    ("code", "status", "kind", "match"),
    [
        ("ServerBusy", 503, ConnectionLost, "busy"),
        ("429", 429, ConnectionLost, "busy"),
        ("Md5Mismatch", 400, VerificationFailed, "not what was sent"),
        ("StorageFull", 507, DestinationFull, "no room"),
        ("BlobImmutableDueToPolicy", 409, Locked, "immutability"),
        ("BlobAlreadyExists", 409, NameTaken, "in use"),
        ("ContainerBeingDeleted", 409, ConnectionLost, "busy"),
        ("BlobArchived", 409, DestinationUnavailable, "Archive"),
        ("SnapshotsPresent", 409, DestinationUnavailable, "snapshots"),
        ("AuthorizationPermissionMismatch", 403, DestinationUnavailable, "denied"),
        ("AuthenticationFailed", 403, DestinationUnavailable, "account key"),
        ("SomethingNew", 400, DestinationUnavailable, "SomethingNew"),
    ],
)
def test_each_answer_of_the_store_is_a_sentence(
    code: str, status: int, kind: type[DestinationError], match: str
) -> None:
    refused = AzureRefused(code, status, "message", {"retry-after": "7"}, "w")
    error = explain(refused, "upload a.tar", "the container c at h", account())
    assert type(error) is kind
    assert match in error.message
    assert error.message.startswith("Cannot upload a.tar at the container c at h")
    assert error.hint.endswith(".")
    if isinstance(error, ConnectionLost):
        assert error.retry_after == 7


def test_clocks_that_differ_are_named() -> None:
    headers = {"date": "Fri, 01 Jan 2021 00:00:00 GMT"}
    error = explain(AzureRefused("AuthenticationFailed", 403, "", headers, "r"), "list", "h", account())
    assert "ahead of" in error.message
    assert "NTP" in error.hint


def test_a_file_of_authorities_that_is_not_there_is_named(open_azure: Open, azurite: Azurite) -> None:
    with pytest.raises(DestinationConfigError, match="none-here") as caught:
        open_azure(verify="/none-here/ca.pem").stat(PATH)
    assert caught.value.option == "verify"
