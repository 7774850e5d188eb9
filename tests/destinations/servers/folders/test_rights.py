"""Accounts that may not do everything, disks that are full, folders that are not there."""

import io
import os
import stat
from collections.abc import Callable

import pytest

from destinations.backends.base import UploadState
from destinations.backends.remote import FolderDestination
from destinations.exceptions import DestinationError, DestinationFull, DestinationUnavailable, NameTaken
from tests.destinations.conftest import files_below, put
from tests.destinations.servers.folders.place import AnyFolder, FolderPlace
from tests.support.servers.running.accounts import APPEND_ONLY, FULL, READ_ONLY, SMALL, UNLISTED

MIB = 1024 * 1024
PATH = "shop/manual/backup.tar.gz"
# the others have one account of the machine for all users
WITH_USERS = pytest.mark.parametrize("place", ["sftp", "vsftpd", "proftpd"], indirect=True)
TELLING_FREE_SPACE = pytest.mark.parametrize("place", ["sftp", "webdav"], indirect=True)
LISTS_AND_PUTS: list[Callable[[AnyFolder], object]] = [lambda d: list(d.list()), lambda d: put(d, PATH, b"x")]


@WITH_USERS
def test_files_and_folders_are_private(place: FolderPlace) -> None:
    put(place.open(), PATH, b"x")
    root = place.root()
    modes = {str(path.relative_to(root)): stat.S_IMODE(path.stat().st_mode) for path in root.rglob("*")}
    assert modes == {"shop": 0o700, "shop/manual": 0o700, PATH: 0o600}
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


def test_an_account_that_may_not_write_is_told_so(place: FolderPlace) -> None:
    place.make(READ_ONLY)
    with pytest.raises(DestinationUnavailable, match="does not permit") as caught:
        put(place.open(READ_ONLY), PATH, b"x")
    assert f"{place.server.host}:{place.server.port}" in caught.value.message
    assert "right" in caught.value.hint


def test_a_folder_that_may_not_be_listed_never_reads_as_empty(place: FolderPlace) -> None:
    place.make(UNLISTED, "shop")
    destination = place.open(UNLISTED)
    for listing in (destination.list, destination.list_partials):
        with pytest.raises(DestinationUnavailable, match="does not permit"):
            list(listing())
    with pytest.raises(DestinationError):
        place.open(UNLISTED, established=True).stat(PATH)
    with pytest.raises(DestinationError, match="does not permit"):
        destination.test()


@WITH_USERS
def test_one_folder_within_that_may_not_be_read_is_an_error_of_the_listing(place: FolderPlace) -> None:
    destination = place.open()
    put(destination, PATH, b"x")
    closed = place.root() / "other"
    closed.mkdir()
    # first without the right to enter, then with that, and without the right to read: vsftpd lists it as empty then
    for mode in (0o000, 0o111):
        closed.chmod(mode)
        with pytest.raises(DestinationUnavailable, match="does not permit"):
            list(destination.list())
    # a folder that no archive can be in, as the system's own, is nobody's concern
    closed.rename(closed.with_name("lost+found"))
    assert [file.path for file in destination.list()] == [PATH]


@WITH_USERS
def test_an_account_that_may_not_delete_stores_and_is_told_so(place: FolderPlace) -> None:
    destination = place.open(APPEND_ONLY)
    put(destination, PATH, b"x")
    with pytest.raises(DestinationUnavailable, match=r"delete .*does not permit"):
        destination.delete(PATH)
    assert files_below(place.root(APPEND_ONLY)) == [PATH]


@TELLING_FREE_SPACE
def test_a_disk_without_room_is_said_before_the_first_byte(place: FolderPlace) -> None:
    class Source(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise AssertionError("it was read")

    with pytest.raises(DestinationFull, match="free"):
        place.open(SMALL).put(Source(), PATH, size=64 * MIB, token="t")


@TELLING_FREE_SPACE
def test_free_space_is_that_of_the_account_also_before_the_folder_is_there(place: FolderPlace) -> None:
    free = place.open(SMALL, base_path="not-there-yet").free_space()
    assert free is not None and MIB < free <= 10 * MIB


def test_a_disk_that_fills_up_in_the_middle_leaves_nothing(place: FolderPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    # others fill it after it was asked for
    monkeypatch.setattr(FolderDestination, "remote_free_space", lambda self: None)
    destination = place.open(SMALL)
    put(destination, "shop/manual/other.tar", os.urandom(4 * MIB))
    with pytest.raises(DestinationFull) as caught:
        destination.put(io.BytesIO(bytes(10 * MIB)), PATH, size=10 * MIB, token="t")
    assert "quota" in caught.value.text
    assert [file.path for file in destination.list()] == ["shop/manual/other.tar"]
    assert list(destination.list_partials()) == []
    destination.delete("shop/manual/other.tar")
    put(destination, PATH, b"and it goes on")
    destination.delete(PATH)


def test_a_folder_whose_parent_is_missing_is_an_error_and_nothing_is_made(place: FolderPlace) -> None:
    with pytest.raises(DestinationUnavailable, match="folder above it does not exist"):
        put(place.open(base_path="mnt/nas/backups"), PATH, b"x")
    assert not (place.server.home(FULL) / "mnt").exists()


def test_a_folder_that_is_a_file_is_an_error(place: FolderPlace) -> None:
    place.root().write_text("x")
    place.server.give(FULL, place.root())
    for use in (*LISTS_AND_PUTS, lambda d: d.test()):
        with pytest.raises(DestinationUnavailable, match="not a folder"):
            use(place.open())


def test_archives_that_were_there_and_are_gone_are_an_error(place: FolderPlace) -> None:
    put(place.open(), PATH, b"x")
    place.open(established=True).stat(PATH)
    root = place.root()
    root.rename(root.with_name(f"{root.name}-away"))
    for use in LISTS_AND_PUTS:
        with pytest.raises(DestinationUnavailable, match="gone or empty"):
            use(place.open(established=True))
    assert not root.exists()
    # an empty mount point is no better
    place.make()
    with pytest.raises(DestinationUnavailable, match="gone or empty"):
        place.open(established=True).require_reachable()


@WITH_USERS
def test_a_link_in_place_of_an_archive_is_not_left_out_of_a_listing(place: FolderPlace) -> None:
    destination = place.open()
    put(destination, PATH, b"x")
    (place.root() / "shop" / "manual" / "moved.tar.gz").symlink_to("backup.tar.gz")
    with pytest.raises(DestinationUnavailable, match="symbolic link"):
        list(destination.list())


def test_folders_with_spaces_and_umlauts_hold_archives(place: FolderPlace) -> None:
    name = f"Größe & Söhne 100% {place.folder}"
    destination = place.open(base_path=name)
    put(destination, PATH, b"x")
    assert (place.server.home(FULL) / name / PATH).read_bytes() == b"x"
    assert [file.path for file in destination.list()] == [PATH]


def test_a_name_that_another_program_takes_during_the_upload_is_not_overwritten(place: FolderPlace) -> None:
    class Source(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            place.write(PATH, b"theirs")
            return super().read(size)

    with pytest.raises(NameTaken):
        place.open().put(Source(b"ours"), PATH, size=4, token="t")
    assert (place.root() / PATH).read_bytes() == b"theirs"
    assert files_below(place.root()) == [PATH]


def test_a_partial_upload_of_a_dead_process_without_a_state_gives_way(place: FolderPlace) -> None:
    place.write(f"{PATH}.t1.part", bytes(MIB))
    state = UploadState({}, lambda data: None)
    assert place.open().put(io.BytesIO(b"ours"), PATH, size=4, token="t1", state=state).size_bytes == 4
    assert files_below(place.root()) == [PATH]
