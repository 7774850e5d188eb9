"""Answers that are lost, wrong or in disorder: what a remote destination makes of them."""

import hashlib
import io
import os
from collections.abc import Callable, Iterator

import pytest

from destinations.backends import StoredFile
from destinations.exceptions import (
    ConnectionLost,
    DestinationError,
    DestinationUnavailable,
    NameTaken,
    VerificationFailed,
)
from destinations.transfer.watch import Aborted
from tests.support.memory_remote import SERVERS, MemoryRemote

PATH = "shop/manual/backup.tar.gz"
DATA = os.urandom(3000)
Hook = Callable[[str], None]


@pytest.fixture
def files() -> Iterator[dict[str, bytes]]:
    SERVERS["answers"] = {}
    yield SERVERS["answers"]
    del SERVERS["answers"]


@pytest.fixture
def remote(files: dict[str, bytes]) -> MemoryRemote:
    return MemoryRemote({"server": "answers", "path": "x"})


@pytest.fixture
def before(monkeypatch: pytest.MonkeyPatch) -> Callable[[Hook], None]:
    return lambda hook: monkeypatch.setattr(MemoryRemote, "before", staticmethod(hook))


def put(remote: MemoryRemote, *, sha256: bool = True) -> StoredFile:
    digest = hashlib.sha256(DATA).hexdigest() if sha256 else None
    return remote.put(io.BytesIO(DATA), PATH, size=len(DATA), token="t1", sha256=digest)


def lost(step: str, *more: str) -> Hook:
    """Return a hook that loses the connection once at each of these steps."""
    left = [step, *more]

    def hook(step: str) -> None:
        if step in left:
            left.remove(step)
            raise ConnectionLost("The connection was cut.", "Try again.")

    return hook


@pytest.mark.parametrize(
    "steps",
    [
        ("publish", "published"),
        ("publish", "publish", "published"),
        ("published", "receive"),
    ],
)
def test_an_upload_is_not_taken_for_that_of_another_when_answers_are_lost(
    remote: MemoryRemote, files: dict[str, bytes], before: Callable[[Hook], None], steps: tuple[str, ...]
) -> None:
    before(lambda step: None)
    hook, sent = lost(*steps), [False]

    def from_publishing_on(step: str) -> None:
        sent[0] |= step == "publish"
        if sent[0]:
            hook(step)

    before(from_publishing_on)
    assert put(remote).size_bytes == len(DATA)
    assert files == {f"x/{PATH}": DATA}


def test_an_upload_that_was_published_though_the_answer_was_an_error_is_stored(
    remote: MemoryRemote, files: dict[str, bytes], before: Callable[[Hook], None]
) -> None:
    def hook(step: str) -> None:
        if step == "published":
            raise DestinationUnavailable("The answer cannot be read.", "See the log of the server.")

    before(hook)
    assert put(remote).size_bytes == len(DATA)
    assert files == {f"x/{PATH}": DATA}


def test_a_server_that_was_cut_off_while_it_renamed_by_copying_keeps_no_part(
    remote: MemoryRemote, files: dict[str, bytes], before: Callable[[Hook], None]
) -> None:
    def hook(step: str) -> None:
        if step == "published" and len(files) == 1:
            files[f"x/{PATH}.t1.part"] = DATA
            raise ConnectionLost("The connection was cut.", "Try again.")

    before(hook)
    assert put(remote).size_bytes == len(DATA)
    assert files == {f"x/{PATH}": DATA}


def test_an_error_of_publishing_is_raised_when_nothing_was_published(
    remote: MemoryRemote, files: dict[str, bytes], before: Callable[[Hook], None]
) -> None:
    def hook(step: str) -> None:
        if step == "publish":
            raise DestinationUnavailable("There is no right to rename.", "Give it.")

    before(hook)
    with pytest.raises(DestinationUnavailable, match="right to rename"):
        put(remote)
    assert files == {}


def test_a_file_of_the_same_size_that_another_stored_is_not_ours_without_an_announced_checksum(
    remote: MemoryRemote, files: dict[str, bytes], before: Callable[[Hook], None]
) -> None:
    def hook(step: str) -> None:
        if step == "publish" and f"x/{PATH}" not in files:
            files[f"x/{PATH}"] = bytes(len(DATA))
            raise ConnectionLost("The connection was cut.", "Try again.")

    before(hook)
    with pytest.raises(NameTaken):
        put(remote, sha256=False)
    assert files == {f"x/{PATH}": bytes(len(DATA))}


def test_an_upload_whose_published_file_has_another_size_is_not_stored(
    remote: MemoryRemote, files: dict[str, bytes], before: Callable[[Hook], None]
) -> None:
    def hook(step: str) -> None:
        if step == "published":
            files[f"x/{PATH}"] = DATA[:-1]

    before(hook)
    with pytest.raises(VerificationFailed):
        put(remote)


def test_what_a_server_sends_beyond_the_size_of_the_file_is_not_written(
    remote: MemoryRemote, files: dict[str, bytes], before: Callable[[Hook], None]
) -> None:
    put(remote)

    def hook(step: str) -> None:
        # after its size was asked for
        if step == "stat" and len(files[f"x/{PATH}"]) == len(DATA):
            remote._stat = lambda path, progress: StoredFile(path, 10, None)  # type: ignore[method-assign]

    before(hook)
    remote.stat(PATH)
    sink = io.BytesIO()
    with pytest.raises(VerificationFailed):
        remote.get(PATH, sink)
    assert len(sink.getvalue()) <= 10


class Unordered(MemoryRemote):
    """Lists in the order in which files were stored."""

    def remote_list(self, folder: str, prefix: str) -> Iterator[StoredFile]:
        for key in list(self.files):
            type(self).before("list")
            yield StoredFile(key.removeprefix(f"{self.options['path']}/"), 1, None)


@pytest.fixture
def unordered(files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Unordered:
    monkeypatch.setattr("destinations.backends.remote.destination.PAGE", 3)
    files.update({f"x/app/manual/{name}.tar": b"x" for name in ("d", "b", "c", "a", "f", "e", "g")})
    return Unordered({"server": "answers", "path": "x"})


def test_a_listing_without_order_misses_no_file(unordered: Unordered, files: dict[str, bytes]) -> None:
    assert sorted(f"x/{file.path}" for file in unordered.list()) == sorted(files)


@pytest.mark.parametrize("at", range(1, 8))
def test_a_listing_without_order_that_is_cut_is_whole_or_fails(
    unordered: Unordered, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    listed: list[str] = []

    def hook(step: str) -> None:
        listed.append(step)
        if len(listed) == at:
            raise ConnectionLost("The connection was cut.", "Try again.")

    monkeypatch.setattr(Unordered, "before", staticmethod(hook))
    try:
        found = sorted(f"x/{file.path}" for file in unordered.list())
    except DestinationError:
        assert at > 3
    else:
        assert found == sorted(files)


def test_a_step_whose_connection_another_step_dropped_is_tried_again(
    remote: MemoryRemote, files: dict[str, bytes], before: Callable[[Hook], None]
) -> None:
    put(remote)
    dropped: list[str] = []

    def hook(step: str) -> None:
        if not dropped:
            dropped.append(step)
            raise Aborted

    before(hook)
    assert [file.path for file in remote.list()] == [PATH]
    assert dropped == ["list"]
