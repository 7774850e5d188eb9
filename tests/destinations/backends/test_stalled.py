"""A step in which nothing moves is given up and tried again, as after a lost connection."""

import hashlib
import io
import os
import threading
from collections.abc import Callable, Iterator

import pytest

from destinations.transfer import watch
from tests.support.memory_remote import SERVERS, MemoryRemote

MIB = 1024 * 1024
PATH = "shop/manual/backup.tar.gz"
DATA = os.urandom(4 * MIB)


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryRemote]:
    SERVERS["stalled"] = {}
    monkeypatch.setattr(MemoryRemote, "timeout", 0.02)
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(watch, "GRACE_SECONDS", 0.0)
    yield MemoryRemote({"server": "stalled", "path": "x"})
    del SERVERS["stalled"]


@pytest.fixture
def mute_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, int], None]]:
    """Return a function that blocks the first try at the given call of a step until the test is over."""
    over = threading.Event()

    def mute(step: str, at: int) -> None:
        calls = [0]

        def hook(now: str) -> None:
            if now == step:
                calls[0] += 1
                if calls[0] == at:
                    over.wait(20)

        monkeypatch.setattr(MemoryRemote, "before", staticmethod(hook))

    yield mute
    over.set()


@pytest.mark.parametrize(("step", "at"), [("send", 1), ("block", 2), ("check", 1), ("publish", 1)])
def test_an_upload_that_stalls_once_arrives_whole(
    remote: MemoryRemote, mute_at: Callable[[str, int], None], step: str, at: int
) -> None:
    sent = [0]
    mute_at(step, at)
    digest = hashlib.sha256(DATA).hexdigest()
    remote.put(io.BytesIO(DATA), PATH, size=len(DATA), token="t", sha256=digest, progress=sent.append)
    assert SERVERS["stalled"] == {f"x/{PATH}": DATA}
    assert sum(sent) == len(DATA)


def test_a_download_that_stalls_once_arrives_whole(remote: MemoryRemote, mute_at: Callable[[str, int], None]) -> None:
    SERVERS["stalled"][f"x/{PATH}"] = DATA
    mute_at("receive", 3)
    received, sink = [0], io.BytesIO()
    assert remote.get(PATH, sink, progress=received.append) == len(DATA) == sum(received)
    assert sink.getvalue() == DATA
