"""Storages that hang, refuse without a word, or lack a method: nothing that was stored is undone."""

import errno
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from pytest_django import Settings

from destinations.backends import create_destination
from destinations.backends.storage import StorageDestination
from destinations.exceptions import DestinationFull, DestinationUnavailable
from tests.destinations.backends.storage.test_storage import DATA, PATH, allow
from tests.destinations.conftest import files_below, put

Open = Callable[[type[FileSystemStorage]], Any]


class Hanging(FileSystemStorage):
    """Hangs in the middle of the first file, until `awake` is set."""

    hangs: ClassVar[list[int]] = []
    awake: ClassVar[threading.Event] = threading.Event()

    def _save(self, name: str, content: Any) -> str:
        if name.endswith(".part") or not self.hangs:
            return str(super()._save(name, content))
        self.hangs.clear()
        Path(self.path(name)).write_bytes(content.read(10))
        self.awake.wait(20)
        # as a package that is told that the upload has ended
        raise RuntimeError


class Undeletable(FileSystemStorage):
    """Returns from deletions that were refused, as that of SFTP of django-storages does."""

    def delete(self, name: str) -> None:
        pass


class Filling(FileSystemStorage):
    """Is full in the middle of a file."""

    def _save(self, name: str, content: Any) -> str:
        if name.endswith(".part"):
            return str(super()._save(name, content))
        super()._save(name, ContentFile(content.read(1000)))
        raise OSError(errno.ENOSPC, "No space left on device")


class Unlistable(FileSystemStorage):
    def listdir(self, path: str) -> Any:
        raise NotImplementedError


class Emptied(FileSystemStorage):
    """Loses a file between its listing and the question for its size."""

    def listdir(self, path: str) -> Any:
        found = super().listdir(path)
        for name in found[1]:
            if name == "a.tar":
                super().delete(f"{path}/{name}")
        return found


class Timeless(FileSystemStorage):
    def get_modified_time(self, name: str) -> Any:
        raise ValueError("year 36812 is out of range")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path) -> Iterator[Open]:
    monkeypatch.setattr(Hanging, "hangs", [1])
    monkeypatch.setattr(Hanging, "awake", threading.Event())
    monkeypatch.setattr(StorageDestination, "retry_delays", (0, 0))

    def open_one(storage: type[FileSystemStorage]) -> Any:
        allow(settings, f"{storage.__module__}.{storage.__qualname__}", location=str(tmp_path / "storage"))
        return create_destination("storage", {"alias": "archives"})

    yield open_one
    Hanging.awake.set()


@pytest.mark.parametrize("meanwhile", [False, True])
def test_a_thread_that_hung_removes_what_it_stored_and_nothing_of_a_later_upload(
    opened: Open, tmp_path: Path, meanwhile: bool
) -> None:
    destination, root = opened(Hanging), tmp_path / "storage"
    with pytest.MonkeyPatch.context() as soon:
        soon.setattr(StorageDestination, "timeout", 0.02)
        soon.setattr("destinations.transfer.watch.GRACE_SECONDS", 0.02)
        with pytest.raises(DestinationUnavailable, match="hangs in the storage archives"):
            put(destination, PATH, DATA)
    assert [file.path for file in destination.list()] == []
    if meanwhile:
        # by another process, after it swept what the first one left
        later = opened(FileSystemStorage)
        later.sweep("token")
        put(later, PATH, DATA, token="later")
    Hanging.awake.set()
    for thread in threading.enumerate():
        if thread.name == "destination":
            thread.join(10)
    assert files_below(root) == ([PATH] if meanwhile else [])


def test_a_marker_that_is_not_deleted_is_no_publication(opened: Open) -> None:
    destination = opened(Undeletable)
    with pytest.raises(DestinationUnavailable, match="not deleted") as caught:
        put(destination, PATH, DATA)
    assert "right to delete" in caught.value.hint
    assert list(destination.list()) == []


def test_an_upload_that_cannot_be_published_leaves_nothing(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: StorageDestination, upload: Any) -> None:
        raise DestinationUnavailable("There is no right to delete.", "Give it.")

    monkeypatch.setattr(StorageDestination, "remote_publish", refuse)
    with pytest.raises(DestinationUnavailable, match="right to delete"):
        put(opened(FileSystemStorage), PATH, DATA)
    assert files_below(tmp_path / "storage") == []


def test_a_storage_that_is_full_in_the_middle_is_said_to_be(opened: Open, tmp_path: Path) -> None:
    with pytest.raises(DestinationFull, match="No space left"):
        put(opened(Filling), PATH, DATA)
    assert files_below(tmp_path / "storage") == []


def test_a_folder_within_that_cannot_be_listed_is_no_shorter_listing(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination, listdir = opened(FileSystemStorage), FileSystemStorage.listdir
    for name in ("a/1.tar", "b/2.tar"):
        put(destination, name, DATA)

    def refuse(self: FileSystemStorage, path: str) -> Any:
        if path == "b":
            raise PermissionError(errno.EACCES, "Permission denied")
        return listdir(self, path)

    monkeypatch.setattr(FileSystemStorage, "listdir", refuse)
    with pytest.raises(DestinationUnavailable, match="Permission denied"):
        next(destination.list())


def test_what_a_package_does_not_implement_is_said(opened: Open) -> None:
    destination = opened(Unlistable)
    put(destination, PATH, DATA)
    with pytest.raises(DestinationUnavailable, match="does not implement") as caught:
        list(destination.list())
    assert "list" in caught.value.hint


def test_a_file_that_goes_while_it_is_listed_does_not_end_the_listing(opened: Open) -> None:
    destination = opened(Emptied)
    for name in ("a", "b"):
        put(destination, f"shop/manual/{name}.tar", DATA)
    assert [file.path for file in destination.list()] == ["shop/manual/b.tar"]


def test_a_time_beyond_the_calendar_is_no_time(opened: Open) -> None:
    destination = opened(Timeless)
    assert put(destination, PATH, DATA).modified_at is None
