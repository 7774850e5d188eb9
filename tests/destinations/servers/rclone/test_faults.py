"""What goes wrong in the middle: a disk that fills up, a server that restarts, commands that die when all is done."""

import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from destinations.backends.rclone import RcloneDestination
from destinations.backends.rclone.program import Rclone, RcloneFailed
from destinations.exceptions import DestinationFull
from tests.destinations.conftest import files_below, put
from tests.destinations.servers.rclone.test_rclone import remote_of
from tests.support.file_systems import small_disk
from tests.support.programs import require
from tests.support.servers.proxy import Proxy
from tests.support.servers.running.accounts import FULL, SMALL
from tests.support.servers.running.server import Server
from tests.support.servers.sshd import Sshd

MIB = 1024 * 1024
PATH = "shop/manual/backup.tar.gz"


@pytest.fixture
def proxy(sshd: Sshd, proxied: Callable[[Server], Proxy]) -> Proxy:
    return proxied(sshd)


def at(folder: object, tmp_path: Path, **remote: object) -> RcloneDestination:
    file = tmp_path / "rclone.conf"
    file.write_text("\n".join(["[nas]", *(f"{key} = {value}" for key, value in remote.items()), ""]))
    return RcloneDestination({"remote": f"nas:{folder}", "config_file": str(file)})


def at_server(folder: str, tmp_path: Path, sshd: Sshd, proxy: Proxy, user: str = FULL) -> RcloneDestination:
    (tmp_path / "known_hosts").write_text(sshd.known_hosts(proxy.port))
    return at(folder, tmp_path, **remote_of(proxy, user, sshd.password, tmp_path))


def require_full(destination: RcloneDestination) -> None:
    size = 10 * MIB
    with destination:
        with pytest.raises(DestinationFull) as caught:
            destination.put(io.BytesIO(bytes(size)), PATH, size=size, token="t")
        assert caught.value.hint
        assert list(destination.list()) == list(destination.list_partials()) == []


def test_a_disk_that_fills_up_in_the_middle_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require("rclone")
    # others fill it after it was asked for
    monkeypatch.setattr(RcloneDestination, "remote_free_space", lambda self: None)
    with small_disk(tmp_path / "disk", megabytes=6):
        require_full(at(tmp_path / "disk" / "stored", tmp_path, type="local"))


def test_a_quota_of_a_server_that_is_reached_in_the_middle_is_said_to_be(
    sshd: Sshd, proxy: Proxy, tmp_path: Path, apart: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("rclone")
    destination = at_server(apart, tmp_path, sshd, proxy, SMALL)
    ask, asked = RcloneDestination.remote_free_space, [0]

    def ask_later(self: RcloneDestination) -> int | None:
        asked[0] += 1
        return None if asked[0] == 1 else ask(self)

    monkeypatch.setattr(RcloneDestination, "remote_free_space", ask_later)
    require_full(destination)


def test_a_server_that_restarts_during_an_upload_gets_it_all_the_same(
    sshd: Sshd, proxy: Proxy, tmp_path: Path, apart: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("rclone")
    monkeypatch.setattr(RcloneDestination, "retry_delays", (0.1,) * 50)
    data = os.urandom(3 * MIB)
    proxy.rate(8 * MIB)

    def restart() -> None:
        proxy.wait_for(up=MIB)
        sshd.restart()
        proxy.rate(None)

    thread = threading.Thread(target=restart)
    thread.start()
    with at_server(apart, tmp_path, sshd, proxy) as destination:
        put(destination, PATH, data)
    thread.join()
    assert (sshd.home(FULL) / apart / PATH).read_bytes() == data
    assert files_below(sshd.home(FULL) / apart) == [PATH]


def test_a_command_that_dies_when_it_has_done_its_work_costs_a_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("rclone")
    monkeypatch.setattr(RcloneDestination, "retry_delays", (0.0,) * 4)
    started, died = Rclone.started, set[tuple[str, ...]]()

    @contextmanager
    def dying(self: Rclone, *words: str, **options: Any) -> Iterator[Any]:
        with started(self, *words, **options) as ends:
            yield ends
        # each command to each file once
        if words not in died:
            died.add(words)
            raise RcloneFailed(-9, "")

    monkeypatch.setattr(Rclone, "started", dying)
    data, sink = os.urandom(1000), io.BytesIO()
    with at(tmp_path / "stored", tmp_path, type="local") as destination:
        put(destination, PATH, data)
        destination.get(PATH, sink)
        assert sink.getvalue() == data
        assert [file.path for file in destination.list()] == [PATH]
        assert destination.require_writable("shop/manual", "t") == ""
        destination.delete(PATH)
    verbs = {next(word for word in words if not word.startswith("-")) for words in died}
    assert verbs == {"about", "backend", "cat", "deletefile", "lsjson", "moveto", "rcat"}
    assert files_below(tmp_path / "stored") == []
