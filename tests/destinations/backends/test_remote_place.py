"""A remote place that is gone, and reading back at length, as every remote type gets them from its base."""

import hashlib
import io
import os
import time
from collections.abc import Iterator

import pytest

from destinations.exceptions import DestinationUnavailable
from tests.support.memory_remote import SERVERS, MemoryRemote

MIB = 1024 * 1024
PATH = "shop/manual/backup.tar.gz"


@pytest.fixture
def files() -> Iterator[dict[str, bytes]]:
    SERVERS["own"] = {}
    yield SERVERS["own"]
    del SERVERS["own"]


def put(remote: MemoryRemote, data: bytes, sha256: str | None = None) -> None:
    remote.put(io.BytesIO(data), PATH, size=len(data), token="t1", sha256=sha256)


def test_reading_back_may_take_longer_than_a_step_may_stand_still(
    files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Patient(MemoryRemote):
        timeout = 0.1

    def hook(step: str) -> None:
        if step == "receive":
            time.sleep(0.15)

    monkeypatch.setattr(MemoryRemote, "before", staticmethod(hook))
    data = os.urandom(5 * MIB)
    put(Patient({"server": "own", "path": "x"}), data, hashlib.sha256(data).hexdigest())
    assert list(files) == [f"x/{PATH}"]


def test_reading_back_keeps_to_the_limit(files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    remote = MemoryRemote({"server": "own", "path": "x", "limit": "1 MB/s"})
    slept: list[float] = []
    monkeypatch.setattr(remote._throttle, "_sleep", slept.append)
    monkeypatch.setattr(remote._throttle, "_monotonic", lambda: sum(slept))
    monkeypatch.setattr(remote._throttle, "_until", 0.0)
    data = os.urandom(2 * MIB)
    put(remote, data, hashlib.sha256(data).hexdigest())
    assert sum(slept) == pytest.approx(4 * MIB / 1_000_000, rel=0.01)


@pytest.mark.parametrize("use", ["put", "list", "list_partials", "stat", "get", "delete", "require_reachable"])
def test_a_place_whose_archives_are_all_gone_is_an_error(files: dict[str, bytes], use: str) -> None:
    remote = MemoryRemote({"server": "own", "path": "x"}, established=True)
    uses = {
        "put": lambda: put(remote, b"x"),
        "list": lambda: list(remote.list()),
        "list_partials": lambda: list(remote.list_partials()),
        "stat": lambda: remote.stat(PATH),
        "get": lambda: remote.get(PATH, io.BytesIO()),
        "delete": lambda: remote.delete(PATH),
        "require_reachable": remote.require_reachable,
    }
    with pytest.raises(DestinationUnavailable, match="gone or empty") as caught:
        uses[use]()
    assert "--accept-empty" in caught.value.hint
    assert files == {}


def test_a_place_that_holds_something_is_used_on(files: dict[str, bytes]) -> None:
    files["x/shop/manual/older.tar.gz"] = b"x"
    remote = MemoryRemote({"server": "own", "path": "x"}, established=True)
    put(remote, b"x")
    remote.delete(PATH)
    remote.delete("shop/manual/older.tar.gz")
    assert list(remote.list()) == []
