"""A folder of Dropbox: logins, sessions that go on, checksums, and what goes wrong."""

import hashlib
import io
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from destinations.backends import create_destination, destination_class
from destinations.backends.base import UploadState
from destinations.backends.dropbox import DropboxDestination, chunks
from destinations.backends.dropbox.session import Account
from destinations.exceptions import (
    ConnectionLost,
    DestinationConfigError,
    DestinationError,
    DestinationFull,
    DestinationUnavailable,
    NameTaken,
    PeerNotTrusted,
    VerificationFailed,
)
from destinations.transfer import extras
from tests.destinations.conftest import put
from tests.destinations.contract.dropbox_place import dropbox_options
from tests.support.servers.certificates import Certificates
from tests.support.servers.dropbox.server import METADATA, READ, WRITE, Dropbox
from tests.support.servers.proxy import Proxy

MIB = 1024 * 1024
PATH = "shop/manual/backup.tar.gz"
DATA = os.urandom(4 * MIB + 17)
DIGEST = hashlib.sha256(DATA).hexdigest()
APPEND = "files/upload_session/append_v2"

Open = Callable[..., Any]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let retries wait for no time, and small files have several chunks."""
    monkeypatch.setattr(DropboxDestination, "retry_delays", (0, 0, 0, 0))
    monkeypatch.setattr(chunks, "HASHED_BYTES", 4 * MIB)
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 4 * MIB)


@pytest.fixture
def opened(dropbox: Dropbox) -> Iterator[Open]:
    """Return a function that opens a destination."""
    found: list[Any] = []

    def open_one(*, established: bool = False, **options: Any) -> Any:
        given = dropbox_options(dropbox, root_path="site") | options
        found.append(create_destination("dropbox", given, established=established))
        return found[-1]

    yield open_one
    for destination in found:
        destination.close()


@pytest.fixture
def proxy(dropbox: Dropbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """Return a proxy before the server, which the SDK speaks to from now on."""
    with Proxy(dropbox.port) as proxy:
        dropbox.redirect(monkeypatch, port=proxy.port)
        yield proxy


def upload(destination: Any, data: bytes = DATA, **options: Any) -> Any:
    digest = hashlib.sha256(data).hexdigest()
    return destination.put(io.BytesIO(data), PATH, size=len(data), token="t", sha256=digest, **options)


def fetched(destination: Any) -> bytes:
    sink = io.BytesIO()
    destination.get(PATH, sink)
    return sink.getvalue()


def names(dropbox: Dropbox) -> list[str]:
    with dropbox.store.lock:
        return [entry.path for entry in dropbox.store.below("", recursive=True) if entry.content]


def uses(destination: Any) -> list[Callable[[], object]]:
    return [lambda: list(destination.list()), lambda: destination.stat(PATH), lambda: put(destination, PATH, b"x")]


# --- options ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"oauth2_refresh_token": ""}, "oauth2_refresh_token"),
        ({"oauth2_access_token": "x"}, "oauth2_refresh_token"),
        ({"app_key": ""}, "app_key"),
        ({"root_path": "a/../b"}, "root_path"),
        ({"verify": "false"}, "verify"),
        ({"account": "no address"}, "account"),
        ({"location": "x"}, "location"),
        ({"write_mode": "overwrite"}, "write_mode"),
    ],
)
def test_an_option_that_is_wrong_is_named(options: dict[str, Any], option: str) -> None:
    given = {"oauth2_refresh_token": "canary-token-1", "app_key": "k", "root_path": "site"} | options
    with pytest.raises(DestinationConfigError) as caught:
        destination_class("dropbox").clean(given)
    assert caught.value.option == option
    assert caught.value.hint
    assert "canary" not in caught.value.text


def test_two_accounts_are_two_places() -> None:
    common = {"oauth2_refresh_token": "t", "app_key": "k", "root_path": "/site/"}
    one, other = (create_destination("dropbox", common | {"account": who}) for who in ("A@x.org", "b@x.org"))
    assert one.location() == "dropbox://a@x.org/site"
    assert not one.is_same_place(other)


def test_a_site_without_the_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(DestinationConfigError) as caught:
        create_destination("dropbox", {"oauth2_access_token": "t"})
    assert "pip install -r requirements-dropbox.txt" in caught.value.hint


# --- logins and rights --------------------------------------------------------------------------------------------
def test_a_refresh_token_outlives_the_access_tokens_made_with_it(dropbox: Dropbox, opened: Open) -> None:
    destination = opened(account="tests@example.org")
    put(destination, PATH, b"x")
    dropbox.expire_tokens()
    assert fetched(destination) == b"x"
    steps = {step.name: step.detail for step in destination.test()}
    assert steps["log in"] == "as tests@example.org"


def test_an_access_token_that_has_expired_never_reads_as_an_empty_place(dropbox: Dropbox, opened: Open) -> None:
    token = dropbox.access_token
    dropbox.expire_tokens()
    for use in uses(opened(oauth2_refresh_token="", oauth2_access_token=token)):
        with pytest.raises(DestinationUnavailable, match="expired") as caught:
            use()
        assert "refresh token" in caught.value.hint
        assert token not in caught.value.text


@pytest.mark.parametrize("wrong", ["oauth2_refresh_token", "app_secret"])
def test_a_wrong_token_is_named(opened: Open, wrong: str) -> None:
    for use in uses(opened(**{wrong: "canary-wrong-3"})):
        with pytest.raises(DestinationUnavailable, match="not accepted") as caught:
            use()
        assert "canary" not in caught.value.text


def test_the_token_of_another_account_is_refused(dropbox: Dropbox, opened: Open) -> None:
    put(opened(), PATH, b"x")
    destination = opened(account="other@example.org")
    for use in (*uses(destination), lambda: destination.delete(PATH)):
        with pytest.raises(DestinationUnavailable, match=r"tests@example\.org"):
            use()
    assert names(dropbox) == [f"/site/{PATH}"]


@pytest.mark.parametrize(
    ("scope", "use"),
    [
        (WRITE, lambda d: put(d, "a/new.tar", b"x")),
        (WRITE, lambda d: d.delete(PATH)),
        (METADATA, lambda d: list(d.list())),
        (READ, lambda d: d.get(PATH, io.BytesIO())),
    ],
)
def test_a_right_that_the_token_lacks_is_named(
    dropbox: Dropbox, opened: Open, scope: str, use: Callable[[Any], object]
) -> None:
    destination = opened()
    put(destination, PATH, b"x")
    dropbox.scopes.remove(scope)
    with pytest.raises(DestinationUnavailable, match=scope) as caught:
        use(destination)
    assert caught.value.hint


def test_archives_that_were_there_and_are_gone_are_an_error(opened: Open) -> None:
    put(opened(), PATH, b"x")
    opened(established=True).stat(PATH)
    for use in uses(opened(established=True, root_path="elsewhere")):
        with pytest.raises(DestinationUnavailable, match="gone or empty"):
            use()


@pytest.mark.parametrize("kind", ["unknown_ca", "expired", "wrong_name"])
def test_a_certificate_that_does_not_fit_is_refused(
    dropbox: Dropbox, certificates: Certificates, opened: Open, kind: str
) -> None:
    dropbox.use(getattr(certificates, kind))
    for use in (*uses(opened()), opened().test):
        with pytest.raises(PeerNotTrusted):
            use()
    assert dropbox.requests == []


# --- uploads ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_an_upload_that_is_cut_once_goes_on(dropbox: Dropbox, opened: Open, proxy: Proxy, share: float) -> None:
    destination, told = opened(), list[int]()
    destination.require_reachable()
    proxy.cut(up=int(len(DATA) * share))
    upload(destination, progress=told.append)
    assert sum(told) == len(DATA)
    assert fetched(destination) == DATA
    assert dropbox.store.sessions == {}


def test_a_byte_that_changes_on_the_way_is_never_stored(dropbox: Dropbox, opened: Open, proxy: Proxy) -> None:
    destination = opened()
    destination.require_reachable()
    proxy.flip(up=2 * MIB)
    upload(destination)
    proxy.flip(down=MIB)
    assert fetched(destination) == DATA


def test_another_process_goes_on_where_the_session_stands(
    dropbox: Dropbox, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DropboxDestination, "retry_delays", ())
    kept: dict[str, object] = {}
    append, sent = Account.append, list[int]()

    def lose(self: Account, session: str, offset: int, *rest: Any) -> None:
        sent.append(offset)
        if offset and len(sent) == 2:
            raise ConnectionLost("The connection was cut.")
        append(self, session, offset, *rest)

    monkeypatch.setattr(Account, "append", lose)
    with pytest.raises(ConnectionLost):
        upload(opened(), state=UploadState({}, kept.update))
    assert kept["path"] == PATH
    told: list[int] = []
    destination = opened()
    upload(destination, state=UploadState(dict(kept), kept.update), progress=told.append)
    assert sent == [0, 4 * MIB, 4 * MIB]
    assert sum(told) == len(DATA)
    assert fetched(destination) == DATA


def test_what_a_session_holds_of_another_content_is_never_left(dropbox: Dropbox, opened: Open) -> None:
    """The source changed, or the state is that of another upload: the checksum of the whole tells."""
    content = dropbox.store.write(bytes(4 * MIB))
    dropbox.store.sessions[content.name] = content
    state = {"path": PATH, "size": len(DATA), "sha256": DIGEST, "session": content.name}
    with pytest.raises(VerificationFailed, match="not what was sent"):
        upload(opened(), state=UploadState(state, lambda data: None))
    assert names(dropbox) == []


def test_a_session_that_dropbox_has_forgotten_begins_anew(opened: Open) -> None:
    state: dict[str, object] = {"path": PATH, "size": len(DATA), "sha256": DIGEST, "session": "gone"}
    upload(opened(), state=UploadState(state, lambda data: None))
    assert fetched(opened()) == DATA


def test_a_name_that_is_taken_meanwhile_is_not_overwritten(dropbox: Dropbox, opened: Open) -> None:
    class Source(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if names(dropbox) == []:
                dropbox.store.commit(dropbox.store.write(b"theirs"), {"path": f"/site/{PATH}"})
            return super().read(size)

    with pytest.raises(NameTaken):
        opened().put(Source(DATA), PATH, size=len(DATA), token="t", sha256=DIGEST)
    assert names(dropbox) == [f"/site/{PATH}"]
    assert fetched(opened()) == b"theirs"


def test_an_account_without_room_is_said_before_the_first_byte_and_at_the_last(
    dropbox: Dropbox, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropbox.store.quota = 3 * MIB
    with pytest.raises(DestinationFull, match="free"):
        upload(opened())
    assert APPEND not in dropbox.requests
    assert opened().free_space() == 3 * MIB
    # another program fills it meanwhile
    monkeypatch.setattr(DropboxDestination, "remote_free_space", lambda self: None)
    with pytest.raises(DestinationFull, match="no room"):
        upload(opened())
    assert names(dropbox) == []


def test_a_limited_rate_is_waited_for_and_a_fault_is_tried_again(dropbox: Dropbox, opened: Open) -> None:
    destination = opened()
    destination.require_reachable()
    dropbox.limit(APPEND, seconds=1)
    dropbox.fail("files/upload_session/finish", 503)
    began = time.monotonic()
    upload(destination)
    assert time.monotonic() - began >= 1
    assert fetched(destination) == DATA
    dropbox.fail("files/get_metadata", 500, times=5)
    with pytest.raises(ConnectionLost, match="500"):
        destination.stat(PATH)


def test_a_cancel_ends_it_within_two_seconds_while_dropbox_is_mute(opened: Open, proxy: Proxy) -> None:
    class Cancelled(BaseException):
        pass

    destination = opened()
    destination.require_reachable()
    proxy.mute(up=MIB)
    cancelled_at: list[float] = []

    def progress(moved: int) -> None:
        if moved == 0 and proxy._all_muted:
            cancelled_at.append(time.monotonic())
            raise Cancelled

    with pytest.raises(Cancelled):
        upload(destination, progress=progress)
    # two seconds are promised; a busy machine may take its time
    assert time.monotonic() - cancelled_at[0] < 6


def test_a_chunk_that_is_sent_slowly_does_not_stand_still(opened: Open) -> None:
    account, alive = opened()._open(), list[int]()
    session = account.begin_upload()
    data = bytes(4 * MIB)
    account.append(session, 0, data, hashlib.sha256(hashlib.sha256(data).digest()).hexdigest(), lambda: alive.append(1))
    # the request and its pieces
    assert len(alive) > 16
    sent = len(alive)
    account.offset_of(session, len(data) + 1)
    assert len(alive) == sent


def test_a_mute_dropbox_is_given_up(opened: Open, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DropboxDestination, "timeout", 0.4)
    monkeypatch.setattr(DropboxDestination, "retry_delays", ())
    proxy.mute(down=2000)
    with pytest.raises(ConnectionLost):
        put(opened(), PATH, b"x")


# --- files --------------------------------------------------------------------------------------------------------
def test_a_download_that_is_cut_goes_on_where_it_was(opened: Open, proxy: Proxy) -> None:
    destination, sink, received = opened(), io.BytesIO(), [0]
    upload(destination)
    proxy.cut(down=2 * MIB)
    destination.get(PATH, sink, progress=received.append)
    assert sink.getvalue() == DATA
    assert sum(received) == len(DATA)


def test_a_listing_of_pages_is_sorted_and_raises_when_a_later_page_fails(dropbox: Dropbox, opened: Open) -> None:
    destination = opened()
    paths = [f"{instance}/daily/{number}.tar" for instance in ("b", "a") for number in (2, 1)]
    for path in paths:
        put(destination, path, b"x")
    dropbox.page_size = 3
    assert [file.path for file in destination.list()] == sorted(paths)
    dropbox.fail("files/list_folder/continue", 503, times=5)
    with pytest.raises(ConnectionLost, match="503"):
        list(destination.list())


def test_a_folder_in_other_letters_is_the_same_folder(opened: Open) -> None:
    put(opened(root_path="Site"), "Shop/daily/1.tar", b"x")
    assert [file.path for file in opened(root_path="site").list("shop")] == ["shop/daily/1.tar"]


def test_a_folder_is_never_deleted(dropbox: Dropbox, opened: Open) -> None:
    put(opened(), "shop/manual/inner.tar", b"x")
    with pytest.raises(DestinationError):
        opened().delete("shop/manual")
    assert names(dropbox) == ["/site/shop/manual/inner.tar"]


def test_what_is_no_answer_of_dropbox_is_an_error(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page of a proxy that asks for a login, say: the SDK asserts."""

    def page(self: Account, *args: Any, **options: Any) -> Any:
        raise AssertionError("Expected content-type to be application/json, got 'text/html'")

    monkeypatch.setattr(Account, "_ask", page)
    for use in uses(opened()):
        with pytest.raises(DestinationUnavailable, match="not Dropbox"):
            use()
