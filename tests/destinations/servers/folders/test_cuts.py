"""Connections that are cut, altered, mute or slow, and servers that restart, in the middle of things."""

import hashlib
import io
import os
import threading
import time
from collections.abc import Callable

import pytest

from destinations.backends.base import UploadState
from destinations.backends.ftp import uploads as ftp_uploads
from destinations.backends.remote import FolderDestination, uploads
from destinations.backends.sftp import folder as sftp_folder
from destinations.exceptions import ConnectionLost, DestinationError
from tests.destinations.conftest import files_below
from tests.destinations.servers.folders.place import AnyFolder, FolderPlace

MIB = 1024 * 1024
PATH = "shop/manual/backup.tar.gz"
DATA = os.urandom(3 * MIB)
DIGEST = hashlib.sha256(DATA).hexdigest()
PART = f"{PATH}.t1.part"
RESUMING = pytest.mark.parametrize("place", ["sftp", "vsftpd", "proftpd"], indirect=True)
# what our side alone decides is the same for both FTP servers
ONE_OF_EACH = pytest.mark.parametrize("place", ["sftp", "vsftpd", "webdav"], indirect=True)


class Cancelled(BaseException):
    pass


def put(
    destination: AnyFolder, *, state: UploadState | None = None, progress: Callable[[int], None] | None = None
) -> None:
    destination.put(io.BytesIO(DATA), PATH, size=len(DATA), token="t1", sha256=DIGEST, state=state, progress=progress)


def assert_stored(place: FolderPlace) -> None:
    assert (place.root() / PATH).read_bytes() == DATA
    assert files_below(place.root()) == [PATH]


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a resumed upload go back by less than the few megabytes of a test."""
    monkeypatch.setattr(ftp_uploads, "STEP_BACK", MIB // 4)
    monkeypatch.setattr(sftp_folder, "STEP_BACK", MIB // 4)


@pytest.fixture
def behind(place: FolderPlace) -> AnyFolder:
    """Return the destination with an open connection through the proxy."""
    destination = place.open(behind=True)
    destination.require_reachable()
    return destination


@pytest.mark.parametrize("percent", [10, 50, 99])
@pytest.mark.usefixtures("quick_retries")
def test_an_upload_that_is_cut_arrives_whole(place: FolderPlace, behind: AnyFolder, percent: int) -> None:
    sent = [0]
    place.data.cut(up=len(DATA) * percent // 100)
    put(behind, progress=sent.append)
    assert_stored(place)
    assert sum(sent) == len(DATA)
    assert place.control.connections >= 2


@RESUMING
def test_an_upload_that_is_cut_for_good_goes_on_in_another_process(
    place: FolderPlace, behind: AnyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FolderDestination, "retry_delays", ())
    saved: dict[str, object] = {}
    # slow enough for the server to store what has arrived before the connection is reset
    place.data.rate(16 * MIB)
    place.data.cut(up=2 * MIB)
    with pytest.raises(ConnectionLost):
        put(behind, state=UploadState({}, saved.update))
    behind.close()
    begun = (place.root() / PART).stat().st_size
    assert MIB // 2 < begun <= 2 * MIB
    place.data.clear()
    before = place.data.bytes["up"]
    put(place.open(behind=True, read_back=False), state=UploadState(dict(saved), saved.update))
    assert_stored(place)
    assert place.data.bytes["up"] - before < len(DATA) - begun + MIB


@RESUMING
def test_what_another_upload_left_is_not_taken_for_ours(place: FolderPlace) -> None:
    """The part of a dead process, altered: it is found when the whole is read back, and nothing is published."""
    destination, saved = place.open(), dict[str, object]()
    put(destination, state=UploadState({}, saved.update))
    destination.delete(PATH)
    place.write(PART, bytes(2 * MIB))
    with pytest.raises(DestinationError):
        put(destination, state=UploadState(saved, lambda data: None))
    assert files_below(place.root()) == []
    put(destination, state=UploadState({}, lambda data: None))
    assert_stored(place)


@pytest.mark.usefixtures("quick_retries")
def test_an_upload_that_is_cut_for_good_leaves_nothing(place: FolderPlace, behind: AnyFolder) -> None:
    place.data.cut(up=MIB // 2, times=4)
    with pytest.raises(ConnectionLost) as caught:
        put(behind)
    assert f"{place.control.host}:{place.control.port}" in caught.value.message
    assert files_below(place.root()) == []


@ONE_OF_EACH
@pytest.mark.usefixtures("quick_retries")
def test_a_byte_that_changes_on_the_way_is_neither_stored_nor_read(place: FolderPlace, behind: AnyFolder) -> None:
    place.data.flip(up=MIB)
    put(behind)
    assert_stored(place)
    place.data.flip(down=MIB)
    sink = io.BytesIO()
    behind.get(PATH, sink)
    assert sink.getvalue() == DATA


@pytest.mark.usefixtures("quick_retries")
def test_a_download_that_is_cut_goes_on_where_it_was(place: FolderPlace, behind: AnyFolder) -> None:
    received, sink = [0], io.BytesIO()
    put(place.open(read_back=False))
    before = place.data.bytes["down"]
    # slow enough for what has arrived to be read before the connection is reset
    place.data.rate(16 * MIB)
    place.data.cut(down=2 * MIB)
    assert behind.get(PATH, sink, progress=received.append) == len(DATA) == sum(received)
    assert sink.getvalue() == DATA
    assert place.data.bytes["down"] - before < len(DATA) + place.fetched_again


def test_a_server_that_restarts_during_an_upload_gets_it_all_the_same(
    place: FolderPlace, behind: AnyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FolderDestination, "retry_delays", (0.1,) * 100)
    begun = place.data.bytes["up"]
    place.data.rate(8 * MIB)

    def restart() -> None:
        place.data.wait_for(up=begun + MIB)
        place.server.restart()
        place.data.rate(None)

    thread = threading.Thread(target=restart)
    thread.start()
    put(behind)
    thread.join()
    assert_stored(place)


# by the bytes that the server may still send: its welcome, its key or certificate, its answers to login and requests
@pytest.mark.parametrize(
    ("place", "down"),
    [
        *[("vsftpd", down) for down in (0, 60, 1200, 2000, 2300)],
        *[("sftp", down) for down in (0, 30, 1200, 1900, 3000)],
        *[("webdav", down) for down in (0, 200, 1700)],
    ],
    indirect=["place"],
)
@pytest.mark.usefixtures("impatient")
def test_a_server_that_goes_mute_while_connecting_is_given_up(place: FolderPlace, down: int) -> None:
    place.control.mute(down=down)
    with pytest.raises(ConnectionLost) as caught:
        place.open(behind=True).test()
    assert f"{place.control.host}:{place.control.port}" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("place", "direction"),
    [("vsftpd", "up"), ("vsftpd", "down"), ("sftp", "up"), ("webdav", "up")],
    indirect=["place"],
)
@pytest.mark.usefixtures("impatient")
def test_a_server_that_goes_mute_in_the_middle_is_given_up(
    place: FolderPlace, behind: AnyFolder, direction: str
) -> None:
    place.data.mute(**{direction: MIB})
    with pytest.raises(ConnectionLost):
        put(behind)


@ONE_OF_EACH
@pytest.mark.parametrize("step", ["connect", "send", "read back"])
def test_a_cancel_ends_it_within_two_seconds_while_the_server_is_mute(
    place: FolderPlace, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "DISCARD_SECONDS", 0.1)
    destination = place.open(behind=True)
    if step == "connect":
        place.control.mute(down=0)
    else:
        destination.require_reachable()
        place.data.mute(**{"up" if step == "send" else "down": MIB})
    cancelled_at: list[float] = []

    def progress(moved: int) -> None:
        if moved == 0 and (place.control._all_muted or place.data._all_muted):
            cancelled_at.append(time.monotonic())
            raise Cancelled

    with pytest.raises(Cancelled):
        put(destination, progress=progress)
    # two seconds are promised; a busy machine may take its time
    assert time.monotonic() - cancelled_at[0] < 6


@pytest.mark.usefixtures("quick_retries")
def test_a_listing_among_files_of_others_is_whole_after_a_cut_and_an_error_after_many(
    place: FolderPlace, behind: AnyFolder
) -> None:
    put(behind)
    folder = place.root() / "shop" / "manual"
    for number in range(place.foreign):
        (folder / f"Bild {number} für Opa & Oma 100%.jpg").touch()
    (folder / " begins with a space -> 12 Jan 3 12:00 x.tar").touch()
    if place.takes_bytes:
        (folder / os.fsdecode(b"no utf-8 \xff")).touch()
    ours = sorted([PATH, *(f"shop/manual/{name}.tar" for name in ("0", "before", "later", "zz"))])
    for path in ours:
        (place.root() / path).touch()
    place.data.cut(down=40_000)
    assert [file.path for file in behind.list()] == ours
    place.data.cut(down=40_000, times=None)
    with pytest.raises(ConnectionLost):
        list(behind.list())
