"""Sizes and times that no file has, and files that grow or change while they are read."""

import io
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from destinations.backends import Destination, StoredFile, create_destination
from destinations.backends.local.folder import Folder
from destinations.backends.rclone.answers import stored_file
from destinations.exceptions import DestinationUnavailable, NameTaken, VerificationFailed
from tests.destinations.conftest import files_below, put
from tests.support.memory_remote import SERVERS, MemoryRemote

PATH = "shop/manual/backup.tar.gz"
SHARED_MEMORY = Path("/dev/shm")


@pytest.mark.parametrize("size", [-1, 2**63])
def test_a_size_that_no_file_has_is_an_error(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setitem(SERVERS, "odd", {f"x/{PATH}": b"x"})
    monkeypatch.setattr(MemoryRemote, "remote_list", lambda *_: iter([StoredFile(PATH, size, None)]))
    monkeypatch.setattr(MemoryRemote, "remote_stat", lambda *_: StoredFile(PATH, size, None))
    remote = MemoryRemote({"server": "odd", "path": "x"})
    uses: list[Callable[[], object]] = [
        lambda: list(remote.list()),
        lambda: list(remote.list_partials()),
        lambda: remote.stat(PATH),
        lambda: remote.get(PATH, io.BytesIO()),
    ]
    for use in uses:
        with pytest.raises(DestinationUnavailable, match="which no file has"):
            use()


def test_documents_of_a_cloud_have_no_size_and_are_no_files() -> None:
    line = b'{"Path":"notes.docx","Name":"notes.docx","Size":-1,"ModTime":"2026-01-01T00:00:00Z","IsDir":false},'
    assert stored_file(line, "") is None
    beyond = stored_file(line.replace(b"-1", b"5").replace(b"2026", b"292277026596"), "")
    assert beyond == StoredFile("notes.docx", 5, None)


@pytest.fixture
def in_memory(settings: Settings) -> Iterator[Path]:
    """Return the folder of a destination on a file system that keeps times of 64 bits."""
    if not SHARED_MEMORY.is_dir():
        pytest.skip("no /dev/shm here")
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as folder:
        settings.BACKUP_ROOT = Path(folder)
        yield Path(folder, "nas")


@pytest.mark.parametrize("seconds", [2**40, 2**62, -(2**40)])
def test_a_time_beyond_the_calendar_ends_no_listing(in_memory: Path, seconds: int) -> None:
    local = create_destination("local", {"path": "nas"})
    put(local, PATH, b"x")
    os.utime(in_memory / PATH, (seconds, seconds))
    assert [*local.list(), local.stat(PATH)] == [StoredFile(PATH, 1, None)] * 2
    assert local.get(PATH, io.BytesIO()) == 1


def test_a_file_that_grows_while_it_is_read_does_not_fill_the_disk_here(local: Destination, backup_root: Path) -> None:
    class Growing(io.BytesIO):
        """Lets the file grow with each block that is taken."""

        def write(self, data: Any) -> int:
            with (backup_root / "nas" / PATH).open("ab") as file:
                file.write(bytes(1024 * 1024))
            if self.tell() > 3 * 1024 * 1024:
                raise AssertionError
            return super().write(data)

    put(local, PATH, bytes(1024 * 1024))
    with pytest.raises(VerificationFailed, match="size"):
        local.get(PATH, Growing())


def test_a_pipe_that_takes_the_place_of_an_archive_is_not_read(
    local: Destination, backup_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(local, PATH, b"x")
    look = Folder.stat

    def replace(self: Folder, name: str) -> os.stat_result:
        found = look(self, name)
        (backup_root / "nas" / PATH).unlink()
        os.mkfifo(backup_root / "nas" / PATH)
        monkeypatch.setattr(Folder, "stat", lambda self, name: found)
        return found

    monkeypatch.setattr(Folder, "stat", replace)
    with pytest.raises(DestinationUnavailable, match="not a regular file"):
        local.get(PATH, io.BytesIO())


@pytest.mark.parametrize("answer_lost", [True, False])
def test_a_share_that_asks_twice_stores_the_upload_and_takes_no_file_of_another(
    local: Destination, backup_root: Path, monkeypatch: pytest.MonkeyPatch, answer_lost: bool
) -> None:
    link = os.link

    def link_twice(source: str, target: str, **options: Any) -> None:
        if answer_lost:
            link(source, target, **options)
        else:
            (backup_root / "nas" / PATH).write_bytes(b"theirs")
        link(source, target, **options)

    monkeypatch.setattr(os, "link", link_twice)
    if answer_lost:
        put(local, PATH, b"ours")
    else:
        with pytest.raises(NameTaken):
            put(local, PATH, b"ours")
    assert files_below(backup_root) == [f"nas/{PATH}"]
    assert (backup_root / "nas" / PATH).read_bytes() == (b"ours" if answer_lost else b"theirs")
