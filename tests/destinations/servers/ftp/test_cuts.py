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
from destinations.backends.ftp import FtpDestination, uploads
from destinations.exceptions import ConnectionLost, DestinationError
from tests.destinations.conftest import files_below
from tests.destinations.servers.ftp.conftest import Open
from tests.support.servers.ftp.server import FtpServer
from tests.support.servers.ftp.vsftpd import Vsftpd
from tests.support.servers.proxy import Proxy
from tests.support.servers.running.accounts import FULL

MIB = 1024 * 1024
PATH = "shop/manual/backup.tar.gz"
DATA = os.urandom(3 * MIB)
DIGEST = hashlib.sha256(DATA).hexdigest()
PART = f"{PATH}.t1.part"


class Cancelled(BaseException):
    pass


def put(
    destination: FtpDestination, *, state: UploadState | None = None, progress: Callable[[int], None] | None = None
) -> None:
    destination.put(io.BytesIO(DATA), PATH, size=len(DATA), token="t1", sha256=DIGEST, state=state, progress=progress)


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a resumed upload go back by less than the few megabytes of a test."""
    monkeypatch.setattr(uploads, "STEP_BACK", MIB // 4)


@pytest.mark.parametrize("percent", [10, 50, 99])
@pytest.mark.usefixtures("quick_retries")
def test_an_upload_that_is_cut_arrives_whole(
    opened: Open, control: Proxy, data: Proxy, root: Path, percent: int
) -> None:
    sent = [0]
    data.cut(up=len(DATA) * percent // 100)
    put(opened(through=control), progress=sent.append)
    assert (root / PATH).read_bytes() == DATA
    assert files_below(root) == [PATH]
    assert sum(sent) == len(DATA)
    assert control.connections >= 2


def test_an_upload_that_is_cut_for_good_goes_on_in_another_process(
    opened: Open, control: Proxy, data: Proxy, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FtpDestination, "retry_delays", ())
    saved: dict[str, object] = {}
    first = opened(through=control)
    # slow enough for the server to store what has arrived before the connection is reset
    data.rate(16 * MIB)
    data.cut(up=2 * MIB)
    with pytest.raises(ConnectionLost):
        put(first, state=UploadState({}, saved.update))
    first.close()
    begun = (root / PART).stat().st_size
    assert MIB < begun <= 2 * MIB
    data.clear()
    before = data.bytes["up"]
    put(opened(through=control, read_back=False), state=UploadState(dict(saved), saved.update))
    assert (root / PATH).read_bytes() == DATA
    assert files_below(root) == [PATH]
    assert data.bytes["up"] - before < len(DATA) - begun + MIB


def test_what_another_upload_left_is_not_taken_for_ours(opened: Open, root: Path, server: FtpServer) -> None:
    destination = opened()
    put(destination)
    destination.delete(PATH)
    (root / PART).write_bytes(bytes(2 * MIB))
    server.give(FULL, root / PART)
    state = {"parts": [PART], "size": len(DATA), "sha256": DIGEST}
    with pytest.raises(DestinationError):
        put(destination, state=UploadState(state, lambda data: None))
    assert files_below(root) == []
    put(destination, state=UploadState({}, lambda data: None))
    assert (root / PATH).read_bytes() == DATA


def test_a_partial_upload_that_is_locked_gets_a_name_of_its_own(
    vsftpd: Vsftpd, apart: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session of vsftpd that does not know that its client is gone keeps the file locked."""
    monkeypatch.setattr(FtpDestination, "retry_delays", (0.0,))
    monkeypatch.setattr(FtpDestination, "timeout", 0.5)
    root = vsftpd.home(FULL) / apart
    state = UploadState({}, lambda data: None)
    with vsftpd.control_proxy() as control, vsftpd.data_proxy() as data:
        options = {"host": control.host, "port": control.port, "ca_file": str(vsftpd.certificates.ca_file)}
        login = {"username": FULL, "password": vsftpd.password, "base_path": apart}
        with FtpDestination({**options, **login}) as destination:
            # the first data connection goes mute, and both of its ends stay open at the server
            control.mute(up=10**9)
            data.mute(up=MIB, times=1)
            put(destination, state=state)
            # closed here, the one that is mute is still open there
            assert data.open >= 1
        assert (root / PATH).read_bytes() == DATA
        # and the second name, which holds the token too, was tried
        assert state.data["parts"] == [f"{PATH}.1.t1.part"]
        assert files_below(root) == [PATH]


@pytest.mark.usefixtures("quick_retries")
def test_an_upload_that_is_cut_for_good_leaves_nothing(opened: Open, control: Proxy, data: Proxy, root: Path) -> None:
    data.cut(up=MIB // 2, times=None)
    with pytest.raises(ConnectionLost) as caught:
        put(opened(through=control))
    assert f"{control.host}:{control.port}" in caught.value.message
    assert files_below(root) == []


@pytest.mark.usefixtures("quick_retries")
def test_a_byte_that_changes_on_the_way_is_never_stored(opened: Open, control: Proxy, data: Proxy, root: Path) -> None:
    destination = opened(through=control)
    data.flip(up=MIB)
    put(destination)
    assert (root / PATH).read_bytes() == DATA


@pytest.mark.usefixtures("quick_retries")
def test_without_encryption_a_byte_that_changes_is_found_when_it_is_read_back(vsftpd_plain: Vsftpd, apart: str) -> None:
    root = vsftpd_plain.home(FULL) / apart
    with vsftpd_plain.control_proxy() as control, vsftpd_plain.data_proxy() as data:
        address = {"host": control.host, "port": control.port, "encryption": "none"}
        login = {"username": FULL, "password": vsftpd_plain.password, "base_path": apart}
        with FtpDestination({**address, **login}) as destination:
            data.flip(up=MIB)
            with pytest.raises(DestinationError, match="SHA-256"):
                put(destination)
            assert files_below(root) == []


@pytest.mark.usefixtures("quick_retries")
def test_a_download_that_is_cut_goes_on_where_it_was(opened: Open, control: Proxy, data: Proxy) -> None:
    destination, received, sink = opened(through=control), [0], io.BytesIO()
    put(destination)
    before = data.bytes["down"]
    # slow enough for what has arrived to be read before the connection is reset
    data.rate(16 * MIB)
    data.cut(down=2 * MIB)
    assert destination.get(PATH, sink, progress=received.append) == len(DATA) == sum(received)
    assert sink.getvalue() == DATA
    assert data.bytes["down"] - before < len(DATA) + MIB


def test_a_server_that_restarts_during_an_upload_gets_it_all_the_same(
    opened: Open, control: Proxy, data: Proxy, server: FtpServer, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FtpDestination, "retry_delays", (0.1,) * 100)
    data.rate(8 * MIB)

    def restart() -> None:
        data.wait_for(up=MIB)
        server.restart()
        data.rate(None)

    thread = threading.Thread(target=restart)
    thread.start()
    put(opened(through=control))
    thread.join()
    assert (root / PATH).read_bytes() == DATA
    assert files_below(root) == [PATH]


# by the bytes that the server may still send: its welcome, its certificate, its answers to login and requests
@pytest.mark.parametrize("down", [0, 60, 1200, 2000, 2300])
@pytest.mark.usefixtures("impatient")
def test_a_server_that_goes_mute_while_connecting_is_given_up(opened: Open, control: Proxy, down: int) -> None:
    control.mute(down=down)
    with pytest.raises(ConnectionLost) as caught:
        opened(through=control).test()
    assert f"{control.host}:{control.port}" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.usefixtures("impatient")
def test_a_data_connection_that_goes_mute_is_given_up(
    opened: Open, control: Proxy, data: Proxy, direction: str
) -> None:
    destination = opened(through=control)
    if direction == "up":
        data.mute(up=MIB)
    else:
        data.mute(down=MIB)
    with pytest.raises(ConnectionLost):
        put(destination)


def test_ports_of_data_that_nobody_answers_at_are_named(
    opened: Open, control: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FtpDestination, "retry_delays", ())
    # the way to the server has no proxy for data: nothing listens at its ports
    with pytest.raises(ConnectionLost, match="data connection") as caught:
        put(opened(through=control))
    assert "passive" in caught.value.hint


@pytest.mark.parametrize("step", ["connect", "send", "read back"])
def test_a_cancel_ends_it_within_two_seconds_while_the_server_is_mute(
    opened: Open, control: Proxy, data: Proxy, step: str
) -> None:
    proxy = control if step == "connect" else data
    destination = opened(through=control)
    if step == "connect":
        control.mute(down=0)
    elif step == "send":
        data.mute(up=MIB)
    else:
        data.mute(down=MIB)
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
    opened: Open, control: Proxy, data: Proxy, root: Path
) -> None:
    destination = opened(through=control)
    put(destination)
    for number in range(600):
        (root / "shop" / "manual" / f"archive-{number:04}.tar").touch()
    data.cut(down=20_000)
    assert len(list(destination.list())) == 601
    data.cut(down=20_000, times=None)
    with pytest.raises(ConnectionLost):
        list(destination.list())
