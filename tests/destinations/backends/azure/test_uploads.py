"""Uploads in blocks: what is sent, resumed, verified, published and removed."""

import gzip
import hashlib
import io
import os
from typing import Any

import pytest
from azure.storage.blob import BlobBlock, ContainerClient, ContentSettings

from destinations.backends.azure import AzureDestination, blocks, listings
from destinations.backends.azure.session import Container
from destinations.backends.base import UploadState
from destinations.exceptions import ConnectionLost, DestinationError, NameTaken, VerificationFailed
from tests.destinations.backends.azure.conftest import Open
from tests.destinations.conftest import put
from tests.support.servers.proxy import Proxy

MIB = 1024 * 1024
PATH = "shop/manual/backup.tar.gz"
DATA = os.urandom(4 * MIB + 17)
DIGEST = hashlib.sha256(DATA).hexdigest()


def upload(destination: Any, **options: Any) -> Any:
    return destination.put(io.BytesIO(DATA), PATH, size=len(DATA), token="t", sha256=DIGEST, **options)


def fetched(destination: Any) -> bytes:
    sink = io.BytesIO()
    destination.get(PATH, sink)
    return sink.getvalue()


def name_in(destination: Any, path: str = PATH) -> str:
    return f"{destination.options['location']}/{path}"


def stage(destination: Any, path: str, token: str, data: bytes) -> None:
    """Send one block of an upload that goes no further."""
    md5 = hashlib.md5(data, usedforsecurity=False).digest()
    destination._open().stage(name_in(destination, path), blocks.block_id(0, token, md5), data, len(data), md5)


@pytest.fixture
def staged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which the id of each block that is sent is added."""
    sent: list[str] = []
    send = Container.stage

    def note(self: Container, name: str, block: str, *args: Any) -> None:
        sent.append(block)
        send(self, name, block, *args)

    monkeypatch.setattr(Container, "stage", note)
    return sent


def test_an_archive_is_stored_without_an_encoding_and_with_what_was_asked_for(
    open_azure: Open, container: ContainerClient
) -> None:
    destination = open_azure(
        access_tier="Cool", default_metadata="owner=ops", default_tags={"site": "berlin 1", "kind": "backup"}
    )
    upload(destination)
    blob = container.get_blob_client(name_in(destination))
    found = blob.get_blob_properties()
    assert found.content_settings.content_type == "application/octet-stream"
    assert not found.content_settings.content_encoding
    assert found.metadata == {"owner": "ops", "sha256": DIGEST}
    assert found.blob_tier == "Cool"
    assert blob.get_blob_tags() == {"site": "berlin 1", "kind": "backup"}


def test_what_is_read_is_not_unpacked(open_azure: Open, container: ContainerClient) -> None:
    """Another program may have stored an archive with an encoding, as django-storages does."""
    destination = open_azure()
    packed = gzip.compress(b"x" * 3 * MIB)
    settings = ContentSettings(content_encoding="gzip")
    container.upload_blob(name_in(destination), packed, content_settings=settings)
    assert fetched(destination) == packed


def test_ids_of_blocks_are_equally_long_and_name_their_upload() -> None:
    tokens = ["t", "5f0c9b3e-8a53-4a9e-9f6d-0c9f5c0f1a2b", "x" * 64]
    ids = [blocks.block_id(44_999, token, bytes(16)) for token in tokens]
    assert {len(block) for block in ids} == {64}
    assert [blocks.token_of(block) for block in ids[:2]] == tokens[:2]
    for block, token in zip(ids, tokens, strict=True):
        assert [other for other in tokens if blocks.is_of(block, other)] == [token]
    assert blocks.token_of("block-0001") == ""


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_an_upload_that_is_cut_once_goes_on(open_azure: Open, proxy: Proxy, share: float) -> None:
    destination = open_azure(proxy)
    proxy.cut(up=int(len(DATA) * share))
    told: list[int] = []
    upload(destination, progress=told.append)
    assert sum(told) == len(DATA)
    assert fetched(destination) == DATA


def test_another_process_goes_on_with_the_blocks_that_arrived(
    open_azure: Open, proxy: Proxy, staged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AzureDestination, "retry_delays", ())
    kept: dict[str, object] = {}
    proxy.cut(up=5 * MIB // 2)
    with pytest.raises(ConnectionLost):
        upload(open_azure(proxy, max_concurrency=1), state=UploadState({}, kept.update))
    assert set(kept) == {"name"}
    staged.clear()
    told: list[int] = []
    destination = open_azure(max_concurrency=1)
    assert [(one.path, one.size_bytes) for one in destination.list_partials()] == [(f"{PATH}.t.part", 2 * MIB)]
    upload(destination, state=UploadState(dict(kept), kept.update), progress=told.append)
    assert [int(block[:6]) for block in staged] == [2, 3, 4]
    assert sum(told) == len(DATA)
    assert fetched(destination) == DATA
    assert list(destination.list_partials()) == []


def test_blocks_of_another_content_are_sent_again(open_azure: Open, staged: list[str]) -> None:
    destination = open_azure()
    stage(destination, PATH, "t", bytes(MIB))
    staged.clear()
    upload(destination, state=UploadState({"name": name_in(destination)}, lambda data: None))
    assert len(staged) == 5
    assert fetched(destination) == DATA


def test_the_blocks_of_a_name_that_was_given_up_are_dropped(open_azure: Open, container: ContainerClient) -> None:
    destination = open_azure()
    other = name_in(destination, "shop/manual/other.tar")
    stage(destination, "shop/manual/other.tar", "t", b"x")
    upload(destination, state=UploadState({"name": other}, lambda data: None))
    found = container.list_blobs(name_starts_with=destination.options["location"], include=["uncommittedblobs"])
    assert [blob.name for blob in found] == [name_in(destination)]


def test_uploads_of_dead_processes_are_named_and_dropped(open_azure: Open) -> None:
    destination = open_azure()
    for name, token in (("a/1.tar", "dead"), ("a/2.tar", "dead"), ("a/3.tar", "alive")):
        stage(destination, name, token, b"12345")
    put(destination, PATH, b"x")
    assert [file.path for file in destination.list()] == [PATH]
    partials = {partial.path: partial.size_bytes for partial in destination.list_partials()}
    assert partials == {"a/1.tar.dead.part": 5, "a/2.tar.dead.part": 5, "a/3.tar.alive.part": 5}
    assert destination.sweep("dead") == ("a/1.tar.dead.part", "a/2.tar.dead.part")
    assert [partial.path for partial in destination.list_partials()] == ["a/3.tar.alive.part"]
    assert [file.path for file in destination.list()] == [PATH]


def test_a_file_that_stands_for_dropped_blocks_is_no_file(open_azure: Open, container: ContainerClient) -> None:
    """The process died between making it and deleting it."""
    destination = open_azure()
    put(destination, "shop/manual/other.tar", b"x")
    container.upload_blob(name_in(destination), b"", metadata={listings.DISCARDED: "true"})
    assert [file.path for file in destination.list()] == ["shop/manual/other.tar"]
    (partial,) = destination.list_partials()
    destination.delete_partial(partial.path)
    upload(destination)
    assert fetched(destination) == DATA


def test_blocks_are_left_to_the_store_where_a_rule_would_keep_an_empty_file(
    open_azure: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = open_azure()
    stage(destination, PATH, "t", b"x")
    monkeypatch.setattr(Container, "keeps_what_is_deleted", lambda self: True)
    destination.delete_partial(f"{PATH}.t.part")
    assert [partial.path for partial in destination.list_partials()] == [f"{PATH}.t.part"]


def test_folders_of_a_hierarchical_account_are_no_files(open_azure: Open, container: ContainerClient) -> None:
    destination = open_azure()
    container.upload_blob(name_in(destination, "shop"), b"", metadata={"hdi_isfolder": "true"})
    put(destination, PATH, b"x")
    assert [file.path for file in destination.list()] == [PATH]


def test_an_upload_leaves_the_blocks_of_another_at_the_same_name(open_azure: Open) -> None:
    destination = open_azure()
    for token in ("one", "two"):
        stage(destination, PATH, token, b"x")
    destination.delete_partial(f"{PATH}.one.part")
    assert len(list(destination.list_partials())) == 2


def test_a_name_that_another_program_takes_meanwhile_is_not_overwritten(
    open_azure: Open, container: ContainerClient
) -> None:
    destination = open_azure()
    name = name_in(destination)

    class Source(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            container.get_blob_client(name).commit_block_list([BlobBlock(block) for block in ()])
            return super().read(size)

    with pytest.raises(NameTaken):
        destination.put(Source(DATA), PATH, size=len(DATA), token="t", sha256=DIGEST)
    assert container.get_blob_client(name).get_blob_properties().size == 0


def test_a_byte_that_changes_on_the_way_is_refused_by_the_store_and_sent_again(open_azure: Open, proxy: Proxy) -> None:
    destination = open_azure(proxy)
    destination.require_reachable()
    proxy.flip(up=2 * MIB)
    upload(destination)
    assert fetched(open_azure()) == DATA


def test_bytes_that_always_change_on_the_way_end_the_upload(open_azure: Open, proxy: Proxy) -> None:
    destination = open_azure(proxy)
    destination.require_reachable()
    proxy.flip(up=MIB // 2, times=None)
    with pytest.raises(DestinationError):
        upload(destination)
    proxy.clear()
    assert list(destination.list()) == []


def test_an_upload_that_reads_back_differently_is_deleted(open_azure: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    destination = open_azure(read_back=True)
    monkeypatch.setattr(AzureDestination, "hash_of", lambda self, path: "0" * 64)
    with pytest.raises(VerificationFailed):
        upload(destination)
    assert list(destination.list()) == []


def test_a_cancelled_upload_leaves_no_blocks(open_azure: Open) -> None:
    class Cancelled(BaseException):
        pass

    def cancel(moved: int) -> None:
        if moved:
            raise Cancelled

    destination = open_azure(limit="4 MB/s")
    with pytest.raises(Cancelled):
        upload(destination, progress=cancel)
    assert list(open_azure().list_partials()) == []
