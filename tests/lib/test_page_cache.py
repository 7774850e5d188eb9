"""Files that are extended, flushed early and freed by another thread."""

import os
import resource
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue

import pytest

from backups.lib.filesystem import page_cache
from backups.lib.filesystem.page_cache import (
    descriptors_of,
    extend_open_file,
    extend_with_zeros,
    freed_beside,
    written_early,
)
from tests.support.processes.file_limits import open_files


def test_the_descriptors_of_files_are_found_by_any_path_to_them(tmp_path: Path) -> None:
    names = ["a.db", "a.db-wal", "ä \udcff"]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "way").symlink_to(tmp_path)
    opened = {name: os.open(tmp_path / name, os.O_RDONLY) for name in names}
    twice = os.dup(opened["a.db"])
    try:
        for name in names[1:]:
            assert descriptors_of(tmp_path / "way" / name) == [opened[name]]
        assert set(descriptors_of(tmp_path / "a.db")) == {opened["a.db"], twice}
        assert descriptors_of(tmp_path / "b.db", tmp_path) == []
        (tmp_path / "a.db-wal").unlink()
        assert descriptors_of(tmp_path / "a.db-wal") == [], "of the file that has the name now"
    finally:
        for descriptor in (*opened.values(), twice):
            os.close(descriptor)


def test_without_proc_no_descriptor_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_cache, "DESCRIPTORS", tmp_path / "missing")
    with (tmp_path / "file").open("wb"):
        assert descriptors_of(tmp_path / "file") == []


@pytest.mark.parametrize("size", [0, 5, 4096, 131_071, 131_072, 300_000])
def test_a_file_is_extended_by_zeros_behind_what_it_holds(tmp_path: Path, size: int) -> None:
    content = os.urandom(4099)
    path = tmp_path / "file"
    path.write_bytes(content)
    with path.open("r+b") as file:
        extend_with_zeros(file.fileno(), size)
        assert file.read() == content + bytes(max(0, size - len(content)))


def test_a_file_is_extended_only_where_this_process_has_it_open(tmp_path: Path) -> None:
    path = tmp_path / "file"
    extend_open_file(path, 5)
    assert not path.exists()
    path.write_bytes(b"x")
    before = open_files()
    extend_open_file(path, 5)
    assert path.read_bytes() == b"x"
    with path.open("rb"):
        extend_open_file(path, 5)
    assert path.read_bytes() == b"x" + bytes(4)
    assert open_files() == before


def test_a_limit_on_the_size_of_files_ends_the_extension_in_silence(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with (tmp_path / "file").open("w+b") as file:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
        try:
            extend_with_zeros(file.fileno(), 1_000_000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert os.fstat(file.fileno()).st_size == 200_000


class Libc:
    """Tells which descriptors are to be written."""

    def __init__(self) -> None:
        self.asked = SimpleQueue[tuple[int, int]]()

    def sync_file_range(self, descriptor: int, _begin: object, _size: object, flags: int) -> int:
        self.asked.put((descriptor, flags))
        return 0


def test_the_disk_is_asked_to_begin_with_files_that_are_open_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    libc = Libc()
    monkeypatch.setattr(page_cache, "LIBC", libc)
    with written_early(tmp_path / "now", tmp_path / "never"), (tmp_path / "now").open("wb") as file:
        # not before it is open, not another one, and without waiting for the disk
        assert libc.asked.get(timeout=30) == (file.fileno(), page_cache.SYNC_FILE_RANGE_WRITE)


def test_the_library_of_the_system_can_be_asked_for_it(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        assert page_cache.LIBC.sync_file_range(file.fileno(), 0, 0, page_cache.SYNC_FILE_RANGE_WRITE) == 0


def test_a_system_without_threads_or_the_call_does_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    path = tmp_path / "file"
    path.write_bytes(b"x")
    monkeypatch.setattr(page_cache, "Thread", no_thread)
    with written_early(path), freed_beside(path):
        assert len(descriptors_of(path)) == 1
        path.unlink()
    assert held(path) == []
    monkeypatch.setattr(page_cache, "LIBC", object())
    with written_early(path):
        pass


def test_a_file_that_is_removed_is_held_until_another_thread_closes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[object, ...]] = []

    class Later:
        def __init__(self, *, target: object, args: tuple[object, ...], name: str, daemon: bool) -> None:
            assert daemon, "a disk that is mute must not keep the process"
            self.work = target, *args

        def start(self) -> None:
            started.append(self.work)

    monkeypatch.setattr(page_cache, "Thread", Later)
    path = tmp_path / "file"
    path.write_bytes(b"x")
    with freed_beside(path):
        path.unlink()
    [descriptor] = held(path)
    assert started == [(os.close, descriptor)]
    os.close(descriptor)


def test_what_is_no_file_is_not_held(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("missing", "link"):
        with freed_beside(tmp_path / name):
            assert held(tmp_path / name) == held(tmp_path) == []


def held(path: Path) -> list[int]:
    """Return the descriptors of the file that had this path."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        # the one of the listing is closed
        with suppress(FileNotFoundError):
            if str(link.readlink()) in (str(path), f"{path} (deleted)"):
                found.append(int(link.name))
    return found
