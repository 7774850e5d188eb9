"""Retries, resuming, cancelling and stalls, as every remote type gets them from its base."""

import hashlib
import io
import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from destinations.backends.base import UploadState
from destinations.exceptions import ConnectionLost, DestinationConfigError, DestinationError, NameTaken, NotFound
from destinations.transfer import watch
from tests.support.memory_remote import SERVERS, MemoryRemote

MIB = 1024 * 1024
PATH = "shop/manual/backup.tar.gz"


class Cancelled(BaseException):
    pass


@pytest.fixture
def files() -> Iterator[dict[str, bytes]]:
    SERVERS["own"] = {}
    yield SERVERS["own"]
    del SERVERS["own"]


@pytest.fixture
def remote(files: dict[str, bytes]) -> MemoryRemote:
    return MemoryRemote({"server": "own", "path": "x"})


@pytest.fixture
def before(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str], None]], None]:
    def use(hook: Callable[[str], None]) -> None:
        monkeypatch.setattr(MemoryRemote, "before", staticmethod(hook))

    return use


def failing(*failures: str) -> Callable[[str], None]:
    """Return a hook that loses the connection at each of these steps, once for each time that it is named."""
    left = list(failures)

    def hook(step: str) -> None:
        if step in left:
            left.remove(step)
            raise ConnectionLost(f"The connection was cut at {step}.", "Try again.")

    return hook


def put(remote: MemoryRemote, data: bytes, state: UploadState | None = None, **options: object) -> None:
    digest = hashlib.sha256(data).hexdigest()
    remote.put(io.BytesIO(data), PATH, size=len(data), token="t1", sha256=digest, state=state, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("step", ["stat", "send", "block", "check", "publish", "published"])
def test_an_upload_whose_connection_is_cut_at_any_step_is_tried_again(
    remote: MemoryRemote, files: dict[str, bytes], before: Callable[..., None], step: str
) -> None:
    data, sent = os.urandom(3 * MIB), [0]
    before(failing(step))
    put(remote, data, progress=sent.append)
    assert files == {f"x/{PATH}": data}
    assert sum(sent) == len(data)


def test_an_upload_that_is_cut_for_good_leaves_nothing(
    remote: MemoryRemote, files: dict[str, bytes], before: Callable[..., None]
) -> None:
    before(failing("block", "block", "block"))
    with pytest.raises(ConnectionLost):
        put(remote, os.urandom(3 * MIB))
    assert files == {}


def test_an_upload_with_a_state_goes_on_where_it_was_cut_and_is_verified_as_a_whole(
    files: dict[str, bytes], before: Callable[..., None]
) -> None:
    data, saved = os.urandom(3 * MIB), {}
    read: list[str] = []
    first = MemoryRemote({"server": "own", "path": "x", "read_back": False})
    before(failing("block", "block", "block"))
    with pytest.raises(ConnectionLost):
        put(first, data, UploadState({}, saved.update))
    assert list(files) == [f"x/{PATH}.t1.part"]
    begun = len(files[f"x/{PATH}.t1.part"])
    assert 0 < begun <= 3 * MIB

    before(read.append)
    second = MemoryRemote({"server": "own", "path": "x", "read_back": False})
    put(second, data, UploadState(dict(saved), saved.update))
    assert files == {f"x/{PATH}": data}
    assert read.count("block") == 3 - begun // MIB
    # the option says no, and what an earlier process sent is not known
    assert "receive" in read


def test_a_name_that_another_takes_at_the_moment_of_publishing_is_not_taken_for_ours(
    remote: MemoryRemote, files: dict[str, bytes], before: Callable[..., None]
) -> None:
    data = os.urandom(1000)

    def hook(step: str) -> None:
        if step == "publish" and f"x/{PATH}" not in files:
            files[f"x/{PATH}"] = bytes(1000)
            raise ConnectionLost("The connection was cut.", "Try again.")

    before(hook)
    with pytest.raises(NameTaken):
        put(remote, data)
    assert files == {f"x/{PATH}": bytes(1000)}


def test_a_deletion_whose_answer_is_lost_is_done(
    remote: MemoryRemote, files: dict[str, bytes], before: Callable[..., None]
) -> None:
    put(remote, b"x")
    before(failing("deleted"))
    remote.delete(PATH)
    assert files == {}
    with pytest.raises(NotFound):
        remote.delete(PATH)


def test_a_file_is_received_on_from_where_the_connection_was_cut(
    remote: MemoryRemote, before: Callable[..., None]
) -> None:
    data, sink, received = os.urandom(3 * MIB), io.BytesIO(), [0]
    put(remote, data)
    blocks: list[str] = []
    cut = failing("receive")

    def hook(step: str) -> None:
        if step == "receive":
            blocks.append(step)
            if len(blocks) == 3:
                cut(step)

    before(hook)
    assert remote.get(PATH, sink, progress=received.append) == len(data) == sum(received)
    assert sink.getvalue() == data
    assert len(blocks) == 4


def test_a_listing_that_is_cut_goes_on_and_names_no_file_twice(
    remote: MemoryRemote, files: dict[str, bytes], before: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("destinations.backends.remote.destination.PAGE", 3)
    paths = [f"app{number}/manual/{number}.tar" for number in range(8)]
    files.update({f"x/{path}": b"x" for path in paths})
    listed: list[str] = []

    def hook(step: str) -> None:
        listed.append(step)
        if len(listed) == 5:
            raise ConnectionLost("The connection was cut.", "Try again.")

    before(hook)
    assert [file.path for file in remote.list()] == sorted(paths)


def test_a_listing_that_fails_for_good_raises_instead_of_ending(
    remote: MemoryRemote, files: dict[str, bytes], before: Callable[..., None]
) -> None:
    files["x/app/manual/1.tar"] = b"x"
    before(failing("list", "list", "list"))
    with pytest.raises(ConnectionLost):
        list(remote.list())


@pytest.fixture
def mute(before: Callable[..., None]) -> Iterator[Callable[[str], None]]:
    """Return a function after which the peer does not answer any more in that step."""
    answered = threading.Event()

    def make(silent: str) -> None:
        def hook(step: str) -> None:
            if step == silent:
                answered.wait(20)

        before(hook)

    yield make
    answered.set()


@pytest.mark.parametrize("step", ["stat", "send", "block", "check", "publish"])
def test_a_cancel_ends_an_upload_whose_peer_does_not_answer(
    remote: MemoryRemote, mute: Callable[[str], None], step: str
) -> None:
    def cancel(moved: int) -> None:
        raise Cancelled

    mute(step)
    began = time.monotonic()
    with pytest.raises(Cancelled):
        put(remote, os.urandom(MIB), progress=cancel)
    # a bound far below the 20 seconds of the peer
    assert time.monotonic() - began < 10


def test_an_upload_in_which_nothing_moves_ends_with_a_sentence(
    files: dict[str, bytes], mute: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryRemote, "retry_delays", ())
    monkeypatch.setattr(MemoryRemote, "timeout", 0.05)
    remote = MemoryRemote({"server": "own", "path": "x"})
    mute("block")
    with pytest.raises(ConnectionLost, match="nothing has moved") as caught:
        put(remote, os.urandom(MIB))
    assert caught.value.hint and "own" in caught.value.message


def test_an_upload_that_moves_slowly_is_no_stall(files: dict[str, bytes], before: Callable[..., None]) -> None:
    class Patient(MemoryRemote):
        timeout = 0.1

    before(lambda step: time.sleep(0.15) if step == "block" else None)
    remote = Patient({"server": "own", "path": "x"})
    put(remote, os.urandom(5 * MIB))
    assert list(files) == [f"x/{PATH}"]


def test_an_upload_keeps_to_its_limit(files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    remote = MemoryRemote({"server": "own", "path": "x", "limit": "1 MB/s", "read_back": False})
    slept: list[float] = []
    clock = [0.0]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(remote._throttle, "_sleep", sleep)
    monkeypatch.setattr(remote._throttle, "_monotonic", lambda: clock[0])
    monkeypatch.setattr(remote._throttle, "_until", 0.0)
    put(remote, os.urandom(4 * MIB))
    assert sum(slept) == pytest.approx(4 * MIB / 1_000_000, rel=0.01)
    assert max(slept) <= watch.POLL_SECONDS + 0.01


def test_a_limit_that_is_none_is_refused_with_its_form() -> None:
    with pytest.raises(DestinationConfigError) as caught:
        MemoryRemote({"server": "own", "limit": "fast"})
    assert caught.value.option == "limit"


def test_an_error_that_is_not_one_of_the_network_passes_unchanged(
    remote: MemoryRemote, before: Callable[..., None]
) -> None:
    def hook(step: str) -> None:
        raise ZeroDivisionError

    before(hook)
    with pytest.raises(ZeroDivisionError):
        remote.stat(PATH)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ConnectionResetError(104, "reset"), "the connection was cut"),
        (TimeoutError(), "does not answer"),
        (EOFError(), "the connection was cut"),
        (OSError(113, "no route"), "no way to the host"),
    ],
)
def test_errors_of_sockets_are_sentences_that_name_the_server(
    remote: MemoryRemote, before: Callable[..., None], error: Exception, says: str
) -> None:
    def hook(step: str) -> None:
        raise error

    before(hook)
    with pytest.raises(DestinationError, match=says) as caught:
        remote.stat(PATH)
    assert "at own" in caught.value.message and caught.value.hint
