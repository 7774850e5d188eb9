"""Connections that are cut, altered, mute or slow, and servers that restart, in the middle of things."""

import hashlib
import io
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from destinations.backends.base import UploadState
from destinations.backends.sftp import SftpDestination, folder
from destinations.exceptions import ConnectionLost, DestinationError
from tests.destinations.conftest import files_below
from tests.destinations.servers.sftp.conftest import Open
from tests.support.servers.proxy import Proxy
from tests.support.servers.sshd import Sshd

MIB = 1024 * 1024
PATH = "shop/manual/backup.tar.gz"
DATA = os.urandom(4 * MIB)
DIGEST = hashlib.sha256(DATA).hexdigest()
PART = f"{PATH}.t1.part"


class Cancelled(BaseException):
    pass


def put(
    destination: SftpDestination, *, state: UploadState | None = None, progress: Callable[[int], None] | None = None
) -> None:
    destination.put(io.BytesIO(DATA), PATH, size=len(DATA), token="t1", sha256=DIGEST, state=state, progress=progress)


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a resumed upload go back by less than the few megabytes of a test."""
    monkeypatch.setattr(folder, "STEP_BACK", MIB // 2)


@pytest.mark.parametrize("percent", [10, 50, 99])
@pytest.mark.usefixtures("quick_retries", "small_steps")
def test_an_upload_that_is_cut_goes_on_and_arrives_whole(opened: Open, proxy: Proxy, root: Path, percent: int) -> None:
    sent = [0]
    destination = opened(port=proxy.port)
    destination.require_reachable()
    proxy.cut(up=len(DATA) * percent // 100)
    put(destination, progress=sent.append)
    assert (root / PATH).read_bytes() == DATA
    assert files_below(root) == [PATH]
    assert sum(sent) == len(DATA)
    assert proxy.connections >= 2


@pytest.mark.usefixtures("small_steps")
def test_an_upload_that_is_cut_for_good_goes_on_in_another_process(
    opened: Open, proxy: Proxy, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SftpDestination, "retry_delays", ())
    saved: dict[str, object] = {}
    first = opened(port=proxy.port)
    first.require_reachable()
    # slow enough for the server to store what has arrived before the connection is reset
    proxy.rate(16 * MIB)
    proxy.cut(up=2 * MIB)
    with pytest.raises(ConnectionLost):
        put(first, state=UploadState({}, saved.update))
    first.close()
    begun = (root / PART).stat().st_size
    assert 0 < begun <= len(DATA)
    proxy.clear()
    before = proxy.bytes["up"]
    put(opened(port=proxy.port, read_back=False), state=UploadState(dict(saved), saved.update))
    assert (root / PATH).read_bytes() == DATA
    assert files_below(root) == [PATH]
    assert proxy.bytes["up"] - before < len(DATA) - begun + MIB


@pytest.mark.usefixtures("small_steps")
def test_what_another_upload_left_is_not_taken_for_ours(opened: Open, root: Path) -> None:
    """The part of a dead process, altered: it is found when the whole is read back, and nothing is published."""
    destination = opened()
    put(destination)
    destination.delete(PATH)
    (root / PART).write_bytes(bytes(3 * MIB))
    os.chown(root / PART, (root / "shop").stat().st_uid, -1)
    state = {"part": PART, "size": len(DATA), "sha256": DIGEST}
    with pytest.raises(DestinationError):
        put(destination, state=UploadState(state, lambda data: None))
    assert files_below(root) == []
    put(destination, state=UploadState({}, lambda data: None))
    assert (root / PATH).read_bytes() == DATA


@pytest.mark.usefixtures("quick_retries")
def test_an_upload_that_is_cut_for_good_leaves_nothing(opened: Open, proxy: Proxy, sshd: Sshd, root: Path) -> None:
    destination = opened(port=proxy.port)
    destination.require_reachable()
    proxy.cut(up=MIB, times=4)
    with pytest.raises(ConnectionLost) as caught:
        put(destination)
    assert f"{sshd.host}:{proxy.port}" in caught.value.message
    assert files_below(root) == []


@pytest.mark.usefixtures("quick_retries")
def test_a_byte_that_changes_on_the_way_is_never_stored(opened: Open, proxy: Proxy, root: Path) -> None:
    destination = opened(port=proxy.port)
    destination.require_reachable()
    proxy.flip(up=2 * MIB)
    put(destination)
    assert (root / PATH).read_bytes() == DATA
    proxy.flip(down=MIB)
    sink = io.BytesIO()
    destination.get(PATH, sink)
    assert sink.getvalue() == DATA


@pytest.mark.usefixtures("quick_retries")
def test_a_download_that_is_cut_goes_on_where_it_was(opened: Open, proxy: Proxy) -> None:
    destination, received, sink = opened(port=proxy.port), [0], io.BytesIO()
    put(destination)
    before = proxy.bytes["down"]
    proxy.cut(down=3 * MIB)
    assert destination.get(PATH, sink, progress=received.append) == len(DATA) == sum(received)
    assert sink.getvalue() == DATA
    # what had arrived is not fetched again, but for the blocks under way
    assert proxy.bytes["down"] - before < 2 * len(DATA)


def test_a_server_that_restarts_during_an_upload_gets_it_all_the_same(
    opened: Open, proxy: Proxy, sshd: Sshd, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SftpDestination, "retry_delays", (0.1,) * 100)
    destination = opened(port=proxy.port)
    destination.require_reachable()
    begun = proxy.bytes["up"]
    proxy.rate(8 * MIB)

    def restart() -> None:
        proxy.wait_for(up=begun + MIB)
        sshd.restart()
        proxy.rate(None)

    thread = threading.Thread(target=restart)
    thread.start()
    put(destination)
    thread.join()
    assert (root / PATH).read_bytes() == DATA
    assert files_below(root) == [PATH]


# by the bytes that the server may still send: its name, its key, its answer to the login, answers to requests
@pytest.mark.parametrize("down", [0, 30, 1200, 1900, 3000])
@pytest.mark.usefixtures("impatient")
def test_a_server_that_goes_mute_while_connecting_is_given_up(
    opened: Open, proxy: Proxy, sshd: Sshd, down: int
) -> None:
    proxy.mute(down=down)
    with pytest.raises(ConnectionLost) as caught:
        opened(port=proxy.port).stat(PATH)
    assert f"{sshd.host}:{proxy.port}" in caught.value.message
    assert caught.value.hint


@pytest.mark.usefixtures("impatient")
def test_a_server_that_goes_mute_in_the_middle_is_given_up(opened: Open, proxy: Proxy) -> None:
    destination = opened(port=proxy.port)
    destination.require_reachable()
    proxy.mute(up=MIB)
    with pytest.raises(ConnectionLost):
        put(destination)


def mute_at(proxy: Proxy, step: str) -> None:
    if step == "connect":
        proxy.mute(down=0)
    elif step == "send":
        proxy.mute(up=MIB)
    else:
        # after all was sent, while it is read back
        proxy.mute(down=2 * MIB)


@pytest.mark.parametrize("step", ["connect", "send", "read back"])
def test_a_cancel_ends_it_within_two_seconds_while_the_server_is_mute(opened: Open, proxy: Proxy, step: str) -> None:
    destination = opened(port=proxy.port)
    if step != "connect":
        destination.require_reachable()
    mute_at(proxy, step)
    cancelled_at: list[float] = []

    def progress(moved: int) -> None:
        if moved == 0 and proxy._all_muted:
            cancelled_at.append(time.monotonic())
            raise Cancelled

    with pytest.raises(Cancelled):
        put(destination, progress=progress)
    # two seconds are promised; a busy machine may take its time
    assert time.monotonic() - cancelled_at[0] < 6


@pytest.mark.usefixtures("quick_retries")
def test_a_listing_that_is_cut_for_good_raises_and_one_that_is_cut_once_is_whole(
    opened: Open, proxy: Proxy, root: Path, sshd: Sshd
) -> None:
    destination = opened(port=proxy.port)
    put(destination)
    for number in range(1500):
        (root / "shop" / "manual" / f"archive-{number:04}.tar").touch()
    proxy.cut(down=60_000)
    assert len(list(destination.list())) == 1501
    proxy.cut(down=60_000, times=None)
    with pytest.raises(ConnectionLost):
        list(destination.list())
