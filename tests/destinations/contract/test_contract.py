"""Storing, reading, listing and deleting, as every type promises it."""

import hashlib
import io
import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from destinations.backends import Destination
from destinations.exceptions import DestinationConfigError, NameTaken, NotFound, VerificationFailed
from tests.destinations.conftest import put
from tests.destinations.contract.places import Place

MIB = 1024 * 1024
PATH = "tacacs-hq/manual/backup.tar.gz"


class Cancelled(BaseException):
    pass


def fetched(destination: Destination, path: str, **options: Any) -> bytes:
    sink = io.BytesIO()
    assert destination.get(path, sink, **options) == len(sink.getvalue())
    return sink.getvalue()


def test_what_was_put_is_listed_and_comes_back(place: Place, destination: Destination) -> None:
    data = os.urandom(3 * MIB + 17)
    stored = put(destination, PATH, data)
    assert (stored.path, stored.size_bytes) == (PATH, len(data))
    assert fetched(destination, PATH) == data == place.read(PATH)
    assert [file.path for file in destination.list()] == [PATH]
    assert destination.stat(PATH).size_bytes == len(data)
    assert list(destination.list_partials()) == []
    assert place.files() == [PATH]


@pytest.mark.parametrize("size", [0, 1, MIB, MIB + 1])
def test_files_of_every_size_come_back(place: Place, destination: Destination, size: int) -> None:
    data = os.urandom(size)
    assert put(destination, PATH, data).size_bytes == size
    assert fetched(destination, PATH) == data


def test_progress_tells_every_byte_both_ways(destination: Destination) -> None:
    data, sent, received = os.urandom(2 * MIB + 5), [0], [0]
    digest = hashlib.sha256(data).hexdigest()
    destination.put(io.BytesIO(data), PATH, size=len(data), token="t", sha256=digest, progress=sent.append)
    fetched(destination, PATH, progress=received.append)
    assert sum(sent) == sum(received) == len(data)


def test_a_name_in_use_is_never_overwritten(place: Place, destination: Destination) -> None:
    put(destination, PATH, b"first")
    with pytest.raises(NameTaken) as caught:
        put(destination, PATH, b"second")
    assert caught.value.hint
    assert place.files() == [PATH]
    assert place.read(PATH) == b"first"


def test_a_file_of_another_program_is_never_overwritten(place: Place, destination: Destination) -> None:
    put(destination, "tacacs-hq/manual/other.tar.gz", b"ours")
    place.plant(PATH, b"theirs")
    with pytest.raises(NameTaken):
        put(destination, PATH, b"second")
    assert place.read(PATH) == b"theirs"


@pytest.mark.parametrize("size", [4, 6])
def test_a_source_of_another_size_than_announced_leaves_nothing(
    place: Place, destination: Destination, size: int
) -> None:
    with pytest.raises(VerificationFailed):
        destination.put(io.BytesIO(b"12345"), PATH, size=size, token="t")
    assert place.files() == []


def test_a_wrong_checksum_leaves_nothing(place: Place, destination: Destination) -> None:
    with pytest.raises(VerificationFailed):
        destination.put(io.BytesIO(b"12345"), PATH, size=5, token="t", sha256=hashlib.sha256(b"other").hexdigest())
    assert place.files() == []


def test_progress_that_raises_cancels_and_leaves_nothing(place: Place, destination: Destination) -> None:
    def cancel(moved: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        # a source that takes longer than one look of the watch
        destination.put(Slow(4 * MIB, after=3 * MIB), PATH, size=4 * MIB, token="t", progress=cancel)
    assert place.files() == []
    put(destination, PATH, b"and it goes on")


class Slow(io.BytesIO):
    """Waits half a second once `after` bytes were read."""

    def __init__(self, size: int, *, after: int) -> None:
        super().__init__(bytes(size))
        self._after = after

    def read(self, size: int | None = -1) -> bytes:
        if self._after and self.tell() >= self._after:
            self._after = 0
            time.sleep(0.5)
        return super().read(size)


def test_an_error_of_the_source_is_not_blamed_on_the_destination(place: Place, destination: Destination) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "the workspace is gone")

    with pytest.raises(OSError, match="the workspace is gone"):
        destination.put(Broken(b"12345"), PATH, size=5, token="t")
    assert place.files() == []


def test_an_error_of_the_sink_is_not_blamed_on_the_destination(destination: Destination) -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(28, "the workspace is full")

    put(destination, PATH, b"data")
    with pytest.raises(OSError, match="the workspace is full"):
        destination.get(PATH, Full())


def test_a_listing_goes_by_whole_folder_names(place: Place, destination: Destination) -> None:
    put(destination, "app/manual/1.tar", b"x")
    for path in ("app/daily/2.tar", "app2/manual/3.tar", "app-2/manual/4.tar", "top.tar"):
        place.plant(path, b"x")
    assert [file.path for file in destination.list("app")] == ["app/daily/2.tar", "app/manual/1.tar"]
    assert [file.path for file in destination.list("app/manual")] == ["app/manual/1.tar"]
    assert [file.path for file in destination.list("ap")] == []
    assert len(list(destination.list())) == 5


def test_files_of_others_are_neither_listed_nor_in_the_way(place: Place, destination: Destination) -> None:
    put(destination, PATH, b"x")
    for name in ("with space.tar", "grüße/brief.tar", "tacacs-hq/manual/ü.tar", ".hidden"):
        place.plant(name, b"not ours")
    assert [file.path for file in destination.list()] == [PATH]
    assert fetched(destination, PATH) == b"x"


def test_a_file_that_is_not_there_is_not_found(destination: Destination) -> None:
    put(destination, PATH, b"x")
    uses: list[Callable[[str], object]] = [
        destination.stat,
        destination.delete,
        lambda path: destination.get(path, io.BytesIO()),
    ]
    for missing in ("tacacs-hq/manual/other.tar.gz", "nobody/manual/backup.tar.gz"):
        for use in uses:
            with pytest.raises(NotFound) as caught:
                use(missing)
            assert caught.value.hint


def test_a_destination_without_files_lists_none(destination: Destination) -> None:
    assert list(destination.list()) == list(destination.list("app")) == list(destination.list_partials()) == []


def test_a_deleted_file_is_gone(place: Place, destination: Destination) -> None:
    put(destination, PATH, b"x")
    destination.delete(PATH)
    assert list(destination.list()) == [] == place.files()


def test_sweep_removes_the_parts_of_one_backup_only(place: Place, destination: Destination) -> None:
    put(destination, PATH, b"x")
    if not place.hides_parts:
        pytest.skip("uploads under way have no names there")
    folder = "tacacs-hq/manual"
    for name in ("a.tar.gz.dead-1.part", "b.tar.gz.dead-1.part", "c.tar.gz.alive.part", "c.tar.gz.dead-12.part"):
        place.plant(f"{folder}/{name}", b"partial")
    assert len(list(destination.list_partials())) == 4
    assert destination.sweep("dead-1") == (f"{folder}/a.tar.gz.dead-1.part", f"{folder}/b.tar.gz.dead-1.part")
    assert place.files() == [PATH, f"{folder}/c.tar.gz.alive.part", f"{folder}/c.tar.gz.dead-12.part"]
    assert destination.sweep("dead-1") == ()


@pytest.mark.parametrize("path", ["../a.tar", "/a.tar", "a/../../b.tar", "a b.tar", "ü.tar", ".a.tar", "a.tar.t.part"])
def test_no_path_leaves_the_destination(place: Place, destination: Destination, path: str) -> None:
    uses: list[Callable[[str], object]] = [
        destination.stat,
        destination.delete,
        lambda path: destination.get(path, io.BytesIO()),
        lambda path: put(destination, path, b"x"),
    ]
    for use in uses:
        with pytest.raises(DestinationConfigError):
            use(path)
    assert place.files() == []


@pytest.mark.parametrize("path", [PATH, "x/../a.tar.t.part", "a b.t.part", "/a.tar.t.part"])
def test_delete_partial_deletes_nothing_else(destination: Destination, path: str) -> None:
    put(destination, PATH, b"x")
    with pytest.raises(DestinationConfigError):
        destination.delete_partial(path)
    assert destination.stat(PATH).size_bytes == 1


def test_the_test_takes_each_step_and_leaves_nothing(place: Place, destination: Destination) -> None:
    heard: list[str] = []
    steps = destination.test(lambda step: heard.append(step.name))
    names = [step.name for step in steps]
    assert names == heard
    assert names[-1:] == (["clock"] if destination.off_box else ["free space"])
    assert [name for name in names if name in ("write", "list", "read back", "delete", "free space")] == [
        "write",
        "list",
        "read back",
        "delete",
        "free space",
    ]
    assert all(step.seconds >= 0 and step.detail for step in steps)
    assert place.files() == []


def test_the_head_is_the_beginning_or_all_of_a_shorter_file(place: Place, destination: Destination) -> None:
    data = bytes(range(256)) * 8192
    put(destination, PATH, data)
    for length in (1, MIB, len(data), len(data) + 1):
        with place.open() as another:
            assert another.head(PATH, length) == data[:length]
    with pytest.raises(NotFound):
        destination.head("shop/manual/none.bin", 10)


def test_two_destinations_in_two_folders_do_not_see_each_other(place: Place, destination: Destination) -> None:
    put(destination, PATH, b"x")
    other = type(place)(place.request)
    with other.open() as beside:
        assert list(beside.list()) == []
        assert not destination.is_same_place(beside)


def test_it_can_be_closed_twice_and_used_again(destination: Destination) -> None:
    put(destination, PATH, b"x")
    destination.close()
    destination.close()
    assert fetched(destination, PATH) == b"x"
