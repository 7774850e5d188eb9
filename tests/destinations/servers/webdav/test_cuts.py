"""Connections that are cut, altered, mute or slow, and servers that restart, in the middle of things."""

import hashlib
import io
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from destinations.backends.webdav import WebdavDestination
from destinations.exceptions import ConnectionLost
from tests.destinations.conftest import files_below
from tests.destinations.servers.webdav.conftest import Open
from tests.support.servers.proxy import Proxy
from tests.support.servers.webdav import Webdav

MIB = 1024 * 1024
PATH = "shop/manual/backup.tar.gz"
DATA = os.urandom(3 * MIB)
DIGEST = hashlib.sha256(DATA).hexdigest()


class Cancelled(BaseException):
    pass


def put(destination: WebdavDestination, *, progress: Callable[[int], None] | None = None) -> None:
    destination.put(io.BytesIO(DATA), PATH, size=len(DATA), token="t1", sha256=DIGEST, progress=progress)


@pytest.mark.parametrize("percent", [10, 50, 99])
@pytest.mark.usefixtures("quick_retries")
def test_an_upload_that_is_cut_begins_anew_and_arrives_whole(
    opened: Open, proxy: Proxy, root: Path, percent: int
) -> None:
    sent = [0]
    destination = opened(through=proxy)
    destination.require_reachable()
    proxy.cut(up=len(DATA) * percent // 100)
    put(destination, progress=sent.append)
    assert (root / PATH).read_bytes() == DATA
    assert files_below(root) == [PATH]
    assert sum(sent) == len(DATA)
    assert proxy.connections >= 2


@pytest.mark.usefixtures("quick_retries")
def test_an_upload_that_is_cut_for_good_leaves_nothing(opened: Open, proxy: Proxy, root: Path) -> None:
    destination = opened(through=proxy)
    destination.require_reachable()
    proxy.cut(up=MIB, times=4)
    with pytest.raises(ConnectionLost) as caught:
        put(destination)
    assert f"{proxy.host}:{proxy.port}" in caught.value.message
    assert files_below(root) == []


@pytest.mark.usefixtures("quick_retries")
def test_a_byte_that_changes_on_the_way_is_never_stored(opened: Open, proxy: Proxy, root: Path) -> None:
    destination = opened(through=proxy)
    destination.require_reachable()
    proxy.flip(up=MIB)
    put(destination)
    assert (root / PATH).read_bytes() == DATA


@pytest.mark.usefixtures("quick_retries")
def test_a_download_that_is_cut_goes_on_where_it_was(opened: Open, proxy: Proxy) -> None:
    destination, received, sink = opened(through=proxy), [0], io.BytesIO()
    put(destination)
    before = proxy.bytes["down"]
    # slow enough for what has arrived to be read before the connection is reset
    proxy.rate(16 * MIB)
    proxy.cut(down=2 * MIB)
    assert destination.get(PATH, sink, progress=received.append) == len(DATA) == sum(received)
    assert sink.getvalue() == DATA
    assert proxy.bytes["down"] - before < len(DATA) + MIB


def test_a_server_that_restarts_during_an_upload_gets_it_all_the_same(
    opened: Open, proxy: Proxy, webdav: Webdav, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WebdavDestination, "retry_delays", (0.1,) * 100)
    proxy.rate(8 * MIB)

    def restart() -> None:
        proxy.wait_for(up=MIB)
        webdav.restart()
        proxy.rate(None)

    thread = threading.Thread(target=restart)
    thread.start()
    put(opened(through=proxy))
    thread.join()
    assert (root / PATH).read_bytes() == DATA
    assert files_below(root) == [PATH]


# by the bytes that the server may still send: its certificate, its answers
@pytest.mark.parametrize("down", [0, 200, 1700])
@pytest.mark.usefixtures("impatient")
def test_a_server_that_goes_mute_is_given_up(opened: Open, proxy: Proxy, down: int) -> None:
    proxy.mute(down=down)
    with pytest.raises(ConnectionLost) as caught:
        opened(through=proxy).test()
    assert f"{proxy.host}:{proxy.port}" in caught.value.message
    assert caught.value.hint


@pytest.mark.usefixtures("impatient")
def test_a_server_that_goes_mute_in_the_middle_is_given_up(opened: Open, proxy: Proxy) -> None:
    destination = opened(through=proxy)
    destination.require_reachable()
    proxy.mute(up=MIB)
    with pytest.raises(ConnectionLost):
        put(destination)


@pytest.mark.parametrize("step", ["connect", "send", "read back"])
def test_a_cancel_ends_it_within_two_seconds_while_the_server_is_mute(opened: Open, proxy: Proxy, step: str) -> None:
    destination = opened(through=proxy)
    if step == "connect":
        proxy.mute(down=0)
    else:
        destination.require_reachable()
        proxy.mute(**{"up" if step == "send" else "down": 2 * MIB})
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
    opened: Open, proxy: Proxy, root: Path
) -> None:
    destination = opened(through=proxy)
    put(destination)
    for number in range(300):
        (root / "shop" / "manual" / f"archive-{number:04}.tar").touch()
    proxy.cut(down=40_000)
    assert len(list(destination.list())) == 301
    proxy.cut(down=40_000, times=None)
    with pytest.raises(ConnectionLost):
        list(destination.list())
