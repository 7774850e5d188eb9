"""Uploads by sessions and what goes wrong with them."""

import hashlib
import io
import json
import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from destinations.backends import create_destination
from destinations.backends.base import UploadState
from destinations.backends.gcs import GcsDestination
from destinations.backends.gcs.answers import GcsRefused, explain
from destinations.backends.gcs.bucket import Bucket
from destinations.exceptions import (
    ConnectionLost,
    DestinationConfigError,
    DestinationError,
    DestinationFull,
    DestinationUnavailable,
    Locked,
    NameTaken,
    NotFound,
    VerificationFailed,
)
from destinations.lib.redaction import HIDDEN, redact
from tests.destinations.backends.gcs.conftest import Open
from tests.destinations.conftest import put
from tests.support.servers.objects.gcs import Gcs
from tests.support.servers.proxy import Proxy
from tests.support.servers.running.ports import free_port

MIB = 1024 * 1024
PATH = "shop/manual/backup.tar.gz"
DATA = os.urandom(3 * MIB + 17)
DIGEST = hashlib.sha256(DATA).hexdigest()


class Cancelled(BaseException):
    pass


def upload(destination: Any, **options: Any) -> Any:
    return destination.put(io.BytesIO(DATA), PATH, size=len(DATA), token="t", sha256=DIGEST, **options)


def fetched(destination: Any) -> bytes:
    sink = io.BytesIO()
    destination.get(PATH, sink)
    return sink.getvalue()


def test_an_archive_has_no_encoding_and_the_checksum_that_was_announced(
    open_gcs: Open, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    announced: list[Any] = []
    begin = Bucket.begin_upload

    def note(self: Bucket, name: str, about: dict[str, str], size: int) -> str:
        announced.append(about)
        return begin(self, name, about, size)

    monkeypatch.setattr(Bucket, "begin_upload", note)
    destination = open_gcs()
    upload(destination)
    blob = bucket.get_blob(f"{destination.options['location']}/{PATH}")
    assert blob.crc32c == announced[0]["crc32c"]
    assert not blob.content_encoding
    assert fetched(destination) == DATA


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_an_upload_that_is_cut_goes_on_and_counts_no_byte_twice(open_gcs: Open, proxy: Proxy, share: float) -> None:
    destination = open_gcs(proxy)
    proxy.cut(up=int(len(DATA) * share))
    told: list[int] = []
    upload(destination, progress=told.append)
    assert sum(told) == len(DATA)
    assert fetched(destination) == DATA


def test_another_process_goes_on_and_the_address_of_the_session_is_sealed(
    open_gcs: Open, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[str, object] = {}
    monkeypatch.setattr(GcsDestination, "retry_delays", ())
    proxy.cut(up=int(2.5 * MIB))
    addresses: list[str] = []
    begin = Bucket.begin_upload

    def note(*args: Any) -> str:
        addresses.append(begin(*args))
        return addresses[-1]

    monkeypatch.setattr(Bucket, "begin_upload", note)
    with pytest.raises(ConnectionLost):
        upload(open_gcs(proxy), state=UploadState({}, kept.update))
    # an error of a library may quote it
    assert HIDDEN in redact(addresses[0])
    assert set(kept) == {"path", "size", "checksum", "address"}
    assert "http" not in json.dumps(kept)
    begun: list[str] = []
    monkeypatch.setattr(Bucket, "begin_upload", lambda *args: begun.append("again"))
    destination = open_gcs()
    told: list[int] = []
    # the address of the session is that of the proxy
    upload(destination, state=UploadState(dict(kept), kept.update), progress=told.append)
    assert begun == []
    assert sum(told) == len(DATA)
    assert fetched(destination) == DATA


@pytest.mark.parametrize("change", ["path", "checksum", "address"])
def test_a_session_that_does_not_fit_is_not_gone_on_with(open_gcs: Open, change: str) -> None:
    destination = open_gcs()
    kept: dict[str, object] = {}
    upload(destination, state=UploadState({}, kept.update))
    destination.delete(PATH)
    # that of another file, one that has ended, and one sealed by other credentials
    upload(destination, state=UploadState(kept | {change: "other"}, lambda data: None))
    assert fetched(destination) == DATA


def test_a_session_that_was_cancelled_meanwhile_begins_anew(open_gcs: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    destination = open_gcs()
    send, sent = Bucket.send_upload, 0

    def end(self: Bucket, address: str, headers: Any, body: Any = b"") -> Any:
        nonlocal sent
        sent += 1
        if sent == 2:
            raise GcsRefused("write", 410, "", "", {})
        return send(self, address if sent != 3 else address + "gone", headers, body)

    monkeypatch.setattr(Bucket, "send_upload", end)
    upload(destination)
    assert fetched(destination) == DATA


def test_a_name_that_was_taken_during_the_upload_is_not_overwritten(
    open_gcs: Open, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = open_gcs()
    blob = bucket.blob(f"{destination.options['location']}/{PATH}")
    check = GcsDestination.remote_check

    def take(self: GcsDestination, *args: Any) -> None:
        check(self, *args)
        blob.upload_from_string(b"theirs")

    monkeypatch.setattr(GcsDestination, "remote_check", take)
    with pytest.raises(NameTaken):
        upload(destination)
    assert blob.download_as_bytes() == b"theirs"


@pytest.mark.parametrize("read_back", [True, False])
def test_an_upload_that_differs_at_the_store_is_removed(
    open_gcs: Open, read_back: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = open_gcs(read_back=read_back)
    assert isinstance(destination, GcsDestination)
    if read_back:
        monkeypatch.setattr(GcsDestination, "hash_of", lambda *args: "other")
    else:
        monkeypatch.setattr(GcsDestination, "_checksum_of", lambda self, upload: "AAAAAA==")
    with pytest.raises(VerificationFailed):
        upload(destination)
    assert list(destination.list()) == []


def test_a_source_that_is_not_what_was_announced_is_not_published(open_gcs: Open) -> None:
    destination = open_gcs()
    with pytest.raises(VerificationFailed):
        destination.put(io.BytesIO(bytes(len(DATA))), PATH, size=len(DATA), token="t", sha256=DIGEST)
    assert list(destination.list()) == []


def test_a_download_that_is_cut_goes_on(open_gcs: Open, proxy: Proxy) -> None:
    destination = open_gcs(proxy)
    upload(destination)
    proxy.cut(down=2 * MIB)
    assert fetched(destination) == DATA


def test_a_byte_that_is_changed_on_the_way_down_is_noticed(open_gcs: Open, proxy: Proxy) -> None:
    destination = open_gcs(proxy)
    upload(destination)
    proxy.flip(down=2 * MIB)
    with pytest.raises(VerificationFailed, match="CRC32C"):
        fetched(destination)


def test_a_bucket_that_is_gone_is_not_a_file_that_is_not_there(open_gcs: Open) -> None:
    destination = open_gcs(bucket_name="no-such-bucket")
    uses: list[Callable[[], object]] = [
        destination.test,
        lambda: list(destination.list()),
        lambda: destination.stat(PATH),
        lambda: destination.get(PATH, io.BytesIO()),
        lambda: destination.delete(PATH),
        lambda: put(destination, PATH, b"x"),
    ]
    for use in uses:
        with pytest.raises(DestinationUnavailable) as caught:
            use()
        assert not isinstance(caught.value, NotFound)
        assert "no such bucket" in caught.value.message


def test_credentials_that_are_refused_are_named(open_gcs: Open, gcs: Gcs) -> None:
    account = gcs.service_account()
    unknown, broken = account | {"token_uri": gcs.url + "/no-such-page"}, account | {"private_key": "canary"}
    for wrong in (unknown, broken, {"type": "service_account", "private_key": "canary"}):
        destination = open_gcs(credentials=json.dumps(wrong))
        with pytest.raises(DestinationError) as caught:
            list(destination.list())
        assert "credentials" in caught.value.text
        assert "canary" not in caught.value.text
    with pytest.raises(ConnectionLost):
        list(open_gcs(credentials=json.dumps(gcs.service_account(free_port()))).list())


def test_a_machine_without_a_service_account_is_named(open_gcs: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", "/nonexistent")
    with pytest.raises(DestinationUnavailable, match="no credentials"):
        list(open_gcs(credentials="").list())


@pytest.mark.parametrize("use", ["put", "get"])
def test_a_cancel_ends_a_transfer_at_once_while_the_store_is_mute(open_gcs: Open, proxy: Proxy, use: str) -> None:
    destination = open_gcs(proxy, timeout=30)
    upload(destination)
    proxy.mute(**({"up": MIB} if use == "put" else {"down": MIB}))
    begun = 0.0

    def cancel(moved: int) -> None:
        nonlocal begun
        begun = begun or time.monotonic()
        if time.monotonic() > begun + 0.4:
            raise Cancelled

    with pytest.raises(Cancelled):
        if use == "put":
            destination.put(io.BytesIO(DATA), "a.tar", size=len(DATA), token="t", progress=cancel)
        else:
            destination.get(PATH, io.BytesIO(), progress=cancel)
    assert time.monotonic() - begun < 3.5


def test_a_mute_store_ends_a_step_after_its_timeout(
    open_gcs: Open, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GcsDestination, "retry_delays", ())
    destination = open_gcs(proxy, timeout=1)
    proxy.mute(up=1)
    with pytest.raises(ConnectionLost):
        list(destination.list())


def test_a_listing_whose_second_page_fails_is_an_error(open_gcs: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    destination = open_gcs()
    for number in range(3):
        put(destination, f"shop/manual/{number}.tar", b"x")
    send = Bucket._send

    def two_a_page(self: Bucket, session: Any, what: str, *args: Any, **options: Any) -> Any:
        if what == "list":
            if "pageToken" in options["params"]:
                raise GcsRefused("list", 503, "backendError", "", {})
            options["params"] = options["params"] | {"maxResults": "2"}
        return send(self, session, what, *args, **options)

    monkeypatch.setattr(Bucket, "_send", two_a_page)
    with pytest.raises(ConnectionLost):
        list(destination.list())


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (403, "forbidden", DestinationUnavailable),
        (403, "rateLimitExceeded", ConnectionLost),
        (403, "quotaExceeded", DestinationFull),
        (403, "retentionPolicyNotMet", Locked),
        (400, "invalid", DestinationUnavailable),
        (401, "authError", DestinationUnavailable),
        (404, "notFound", DestinationUnavailable),
        (412, "conditionNotMet", NameTaken),
        (429, "", ConnectionLost),
        (503, "backendError", ConnectionLost),
    ],
)
def test_what_a_store_answers_is_explained(status: int, reason: str, kind: type[DestinationError]) -> None:
    error = explain(GcsRefused("list", status, reason, "told", {"Retry-After": "7"}), "list", "the bucket")
    assert type(error) is kind
    assert error.hint
    assert not isinstance(error, ConnectionLost) or error.retry_after == 7


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"bucket_name": "Big"}, "bucket_name"),
        ({"location": "../up"}, "location"),
        ({"credentials": "/etc/canary.json"}, "credentials"),
        ({"credentials": '["canary"]'}, "credentials"),
        ({"custom_endpoint": "storage.example.org"}, "custom_endpoint"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], option: str) -> None:
    with pytest.raises(DestinationConfigError) as caught:
        create_destination("gcs", {"bucket_name": "backups"} | options)
    assert caught.value.option == option
    assert caught.value.hint
    assert "canary" not in caught.value.text


def test_a_locked_file_is_not_deleted_and_says_until_when(open_gcs: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    destination = open_gcs()
    put(destination, PATH, b"x")
    about = Bucket.about
    monkeypatch.setattr(
        Bucket, "about", lambda *args: about(*args) | {"retentionExpirationTime": "2099-01-02T03:04:05.000Z"}
    )

    def refuse(self: Bucket, name: str, **query: str) -> None:
        raise GcsRefused("delete", 403, "retentionPolicyNotMet", "", {})

    monkeypatch.setattr(Bucket, "delete", refuse)
    with pytest.raises(Locked, match="2099-01-02 03:04") as caught:
        destination.delete(PATH)
    assert caught.value.until == destination.stat(PATH).locked_until
