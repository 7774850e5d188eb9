"""A cancel ends every use of a destination that does not answer, also before the first byte moves."""

import io
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.memory_remote import SERVERS, MemoryRemote

PATH = "shop/manual/a.tar"


class Cancelled(BaseException):
    pass


def cancel(moved: int) -> None:
    assert moved == 0
    raise Cancelled


@pytest.fixture
def mute(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Return a function that lets a step not answer before the test ends."""
    ended = threading.Event()
    steps: list[str] = []

    def before(step: str) -> None:
        if step in steps:
            ended.wait(20)

    monkeypatch.setattr(MemoryRemote, "before", staticmethod(before))
    monkeypatch.setattr(MemoryRemote, "remote_free_space", lambda self: before("space"))
    SERVERS["mute"] = {f"x/{PATH}": b"data"}
    yield steps.append
    ended.set()
    del SERVERS["mute"]


def uses(destination: Any) -> dict[str, Callable[[], object]]:
    new = {"size": 1, "token": "t", "progress": cancel}
    return {
        "the look before an upload": lambda: destination.put(io.BytesIO(b"x"), "a/b.tar", **new),
        "a download": lambda: destination.get(PATH, io.BytesIO(), progress=cancel),
        "the try before an export": lambda: destination.require_writable("a", "t", cancel),
    }


@pytest.mark.parametrize(
    ("step", "use"),
    [
        ("stat", "the look before an upload"),
        ("space", "the look before an upload"),
        ("list", "the look before an upload"),
        ("stat", "a download"),
        ("list", "a download"),
        ("try", "the try before an export"),
        ("list", "the try before an export"),
    ],
)
def test_a_cancel_ends_the_use_of_a_destination_that_is_mute(mute: Callable[[str], None], step: str, use: str) -> None:
    mute(step)
    destination = MemoryRemote({"server": "mute", "path": "x"}, established=True)
    began = time.monotonic()
    with pytest.raises(Cancelled):
        uses(destination)[use]()
    # two seconds are promised; a busy machine may take its time
    assert time.monotonic() - began < 6


@pytest.mark.parametrize("step", ["stat", "list", "space", "receive"])
def test_what_has_no_progress_of_its_own_is_ended_by_that_of_the_run(mute: Callable[[str], None], step: str) -> None:
    mute(step)
    destination = MemoryRemote({"server": "mute", "path": "x"}, established=True)
    destination.while_waiting = cancel
    began = time.monotonic()
    with pytest.raises(Cancelled):
        destination.require_reachable()
        destination.free_space()
        destination.head(PATH, 4)
    assert time.monotonic() - began < 6
