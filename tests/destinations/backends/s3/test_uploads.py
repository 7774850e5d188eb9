"""Uploads in parts: what is sent, resumed, verified, published and removed."""

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from destinations.backends.base import UploadState
from destinations.backends.s3 import S3Destination, completion, multipart
from destinations.backends.s3.bucket import Bucket
from destinations.exceptions import ConnectionLost, NameTaken, VerificationFailed
from tests.destinations.backends.s3.buckets import BUCKET
from tests.destinations.backends.s3.conftest import Open
from tests.destinations.conftest import put
from tests.support.servers.proxy import Proxy

MIB = 1024 * 1024
PATH = "shop/manual/backup.tar.gz"
DATA = os.urandom(10 * MIB + 17)
DIGEST = hashlib.sha256(DATA).hexdigest()


def upload(destination: Any, **options: Any) -> Any:
    return destination.put(io.BytesIO(DATA), PATH, size=len(DATA), token="t", sha256=DIGEST, **options)


def fetched(destination: Any) -> bytes:
    sink = io.BytesIO()
    destination.get(PATH, sink)
    return sink.getvalue()


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Return a list to which each request is added, with its parameters."""
    sent: list[tuple[str, dict[str, Any]]] = []
    call = Bucket.call

    def note(self: Bucket, operation: str, **parameters: Any) -> dict[str, Any]:
        sent.append((operation, parameters))
        return call(self, operation, **parameters)

    monkeypatch.setattr(Bucket, "call", note)
    return sent


def parameters_of(requests: list[tuple[str, dict[str, Any]]], operation: str) -> list[dict[str, Any]]:
    return [parameters for name, parameters in requests if name == operation]


@pytest.mark.parametrize(("checksum", "header"), [("sha256", "ChecksumSHA256"), ("md5", "ContentMD5")])
def test_each_part_carries_a_checksum_and_the_archive_no_encoding(
    open_s3: Open, bucket: Any, requests: list[tuple[str, dict[str, Any]]], checksum: str, header: str
) -> None:
    destination = open_s3(checksum=checksum)
    upload(destination)
    parts = parameters_of(requests, "upload_part")
    assert sorted(part["PartNumber"] for part in parts) == [1, 2, 3]
    assert all(part[header] for part in parts)
    assert parameters_of(requests, "complete_multipart_upload")[0]["IfNoneMatch"] == "*"
    head = bucket.head_object(Bucket=BUCKET, Key=f"{destination.options['location']}/{PATH}")
    assert head["ContentType"] == "application/octet-stream"
    assert not head.get("ContentEncoding")
    assert fetched(destination) == DATA


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_an_upload_that_is_cut_once_goes_on(open_s3: Open, proxy: Proxy, share: float) -> None:
    destination = open_s3(proxy)
    proxy.cut(up=int(len(DATA) * share))
    told: list[int] = []
    upload(destination, progress=told.append)
    assert sum(told) == len(DATA)
    assert fetched(destination) == DATA


def test_a_try_that_begins_anew_counts_no_byte_twice(
    open_s3: Open, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multipart, "persistently", lambda once, **rest: once())
    proxy.cut(up=int(len(DATA) * 0.7))
    told: list[int] = []
    destination = open_s3(proxy)
    upload(destination, progress=told.append)
    assert sum(told) == len(DATA)
    assert fetched(destination) == DATA


def test_another_process_goes_on_with_the_parts_that_arrived(
    open_s3: Open, proxy: Proxy, requests: list[tuple[str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multipart, "THREADS", 1)
    kept: dict[str, object] = {}
    # nothing passes after the first part
    proxy.cut(up=7 * MIB, times=1)
    monkeypatch.setattr(S3Destination, "retry_delays", ())
    with pytest.raises(ConnectionLost):
        upload(open_s3(proxy), state=UploadState({}, kept.update))
    assert {"key", "size", "part_size", "upload_id"} <= kept.keys()
    requests.clear()
    told: list[int] = []
    destination = open_s3()
    upload(destination, state=UploadState(dict(kept), kept.update), progress=told.append)
    assert parameters_of(requests, "create_multipart_upload") == []
    assert [part["PartNumber"] for part in parameters_of(requests, "upload_part")] == [2, 3]
    assert sum(told) == len(DATA)
    assert fetched(destination) == DATA


def test_parts_of_another_content_are_sent_again(open_s3: Open, bucket: Any) -> None:
    destination = open_s3()
    key = f"{destination.options['location']}/{PATH}"
    made = bucket.create_multipart_upload(Bucket=BUCKET, Key=key)
    target = {"Bucket": BUCKET, "Key": key, "UploadId": made["UploadId"]}
    for number in (1, 2):
        bucket.upload_part(**target, PartNumber=number, Body=bytes(5 * MIB))
    state = {"key": key, "size": len(DATA), "part_size": 5 * MIB, "upload_id": made["UploadId"]}
    upload(destination, state=UploadState(state, lambda data: None))
    assert fetched(destination) == DATA


def test_the_upload_of_a_name_that_was_given_up_is_aborted(open_s3: Open, bucket: Any) -> None:
    destination = open_s3()
    prefix = f"{destination.options['location']}/"
    made = bucket.create_multipart_upload(Bucket=BUCKET, Key=f"{prefix}other")
    state = {"key": f"{prefix}other", "size": 1, "part_size": 1, "upload_id": made["UploadId"]}
    upload(destination, state=UploadState(state, lambda data: None))
    assert bucket.list_multipart_uploads(Bucket=BUCKET, Prefix=prefix).get("Uploads", []) == []


def test_an_upload_that_the_store_has_forgotten_begins_anew(open_s3: Open) -> None:
    destination = open_s3()
    state = {"upload_id": "gone", "key": f"{destination.options['location']}/{PATH}", "size": len(DATA)}
    upload(destination, state=UploadState(state | {"part_size": 5 * MIB}, lambda data: None))
    assert fetched(destination) == DATA


def test_uploads_of_dead_processes_are_named_and_aborted(open_s3: Open, bucket: Any) -> None:
    destination = open_s3()
    prefix = f"{destination.options['location']}/"
    for name in ("a/manual/1.tar", "a/manual/2.tar", "a/manual/3.tar"):
        made = bucket.create_multipart_upload(Bucket=BUCKET, Key=prefix + name)
        bucket.upload_part(Bucket=BUCKET, Key=prefix + name, UploadId=made["UploadId"], PartNumber=1, Body=b"12345")
    partials = list(destination.list_partials())
    assert [partial.path.rsplit(".", 2)[0] for partial in partials] == [
        "a/manual/1.tar", "a/manual/2.tar", "a/manual/3.tar",
    ]  # fmt: skip
    assert {partial.size_bytes for partial in partials} == {5}
    assert list(destination.list()) == []
    destination.delete_partial(partials[0].path)
    assert destination.sweep("any", planned=["a/manual/2.tar"]) == (partials[1].path,)
    assert list(destination.list_partials()) == partials[2:]


def test_a_name_that_was_taken_during_the_upload_is_not_overwritten(
    open_s3: Open, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = open_s3()
    key = f"{destination.options['location']}/{PATH}"
    check = S3Destination.remote_check

    def take(self: S3Destination, *args: Any) -> None:
        check(self, *args)
        bucket.put_object(Bucket=BUCKET, Key=key, Body=b"theirs")

    monkeypatch.setattr(S3Destination, "remote_check", take)
    # the store alone has to refuse
    monkeypatch.setattr(completion, "size_of", lambda *args: None)
    with pytest.raises(NameTaken):
        upload(destination)
    assert bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"theirs"
    assert list(destination.list_partials()) == []


def test_a_part_that_differs_at_the_store_is_not_published(
    open_s3: Open, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = open_s3()
    send = multipart.send

    def tamper(opened: Any, parts: Any, *args: Any) -> None:
        send(opened, parts, *args)
        opened.call("upload_part", **parts.target, PartNumber=1, Body=bytes(5 * MIB))

    monkeypatch.setattr(multipart, "send", tamper)
    with pytest.raises(VerificationFailed):
        upload(destination)
    assert list(destination.list()) == list(destination.list_partials()) == []


def test_an_upload_that_reads_back_differently_is_removed(open_s3: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    destination = open_s3(read_back=True)
    upload(destination)
    destination.delete(PATH)
    receive = S3Destination.remote_receive

    def tamper(self: S3Destination, path: str, offset: int, write: Callable[[bytes], None]) -> None:
        receive(self, path, offset, lambda block: write(bytes(len(block))))

    monkeypatch.setattr(S3Destination, "remote_receive", tamper)
    with pytest.raises(VerificationFailed):
        upload(destination)
    assert list(destination.list()) == []


def test_a_source_that_is_not_what_was_announced_is_not_published(open_s3: Open) -> None:
    destination = open_s3()
    with pytest.raises(VerificationFailed):
        destination.put(io.BytesIO(bytes(len(DATA))), PATH, size=len(DATA), token="t", sha256=DIGEST)
    assert list(destination.list()) == list(destination.list_partials()) == []


def test_a_file_of_the_disk_is_sent_and_a_cut_download_goes_on(open_s3: Open, proxy: Proxy, tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(DATA)
    destination = open_s3(proxy)
    with (tmp_path / "archive").open("rb", buffering=0) as source:
        destination.put(source, PATH, size=len(DATA), token="t", sha256=DIGEST)
    proxy.cut(down=proxy.bytes["down"] + 7 * MIB)
    told: list[int] = []
    sink = io.BytesIO()
    destination.get(PATH, sink, progress=told.append)
    assert sink.getvalue() == DATA
    assert sum(told) == len(DATA)


def test_the_second_of_two_equal_names_is_refused_before_a_byte_is_sent(
    open_s3: Open, requests: list[tuple[str, dict[str, Any]]]
) -> None:
    destination = open_s3()
    put(destination, PATH, b"first")
    requests.clear()
    with pytest.raises(NameTaken):
        upload(destination)
    assert [name for name, _ in requests] == ["head_object"]
