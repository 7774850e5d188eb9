"""Accounts that may not do everything, disks that are full, folders that are not there."""

import hashlib
import io
import os
import stat
from pathlib import Path

import pytest

from destinations.backends.sftp import SftpDestination
from destinations.exceptions import DestinationError, DestinationFull, DestinationUnavailable, NameTaken
from tests.destinations.conftest import files_below, put
from tests.destinations.servers.sftp.conftest import Open
from tests.support.servers.running.accounts import APPEND_ONLY, FULL, READ_ONLY, SMALL, UNLISTED
from tests.support.servers.sshd import Sshd

MIB = 1024 * 1024
PATH = "shop/manual/backup.tar.gz"


def home_folder(sshd: Sshd, user: str, name: str) -> Path:
    """Make the folder of a destination in the home of an account that may not make it."""
    folder = sshd.home(user) / name
    folder.mkdir()
    sshd.give(user, folder)
    return folder


def test_files_and_folders_are_private(opened: Open, root: Path) -> None:
    put(opened(), PATH, b"x")
    modes = {str(path.relative_to(root)): stat.S_IMODE(path.stat().st_mode) for path in root.rglob("*")}
    assert modes == {"shop": 0o700, "shop/manual": 0o700, PATH: 0o600}
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


def test_an_account_that_may_not_write_is_told_so(sshd: Sshd, opened: Open, apart: str) -> None:
    home_folder(sshd, READ_ONLY, apart)
    with pytest.raises(DestinationUnavailable, match="does not permit") as caught:
        put(opened(READ_ONLY), PATH, b"x")
    assert f"{sshd.host}:{sshd.port}" in caught.value.message
    assert "right" in caught.value.hint


def test_a_folder_that_may_not_be_listed_never_reads_as_empty(sshd: Sshd, opened: Open, apart: str) -> None:
    destination = opened(UNLISTED)
    put(destination, PATH, b"x")
    for listing in (destination.list, destination.list_partials):
        with pytest.raises(DestinationUnavailable, match="does not permit"):
            list(listing())
    with pytest.raises(DestinationUnavailable):
        opened(UNLISTED, established=True).stat(PATH)
    with pytest.raises(DestinationError, match="does not permit"):
        destination.test()
    assert files_below(sshd.home(UNLISTED) / apart) == [PATH]


def test_one_folder_within_that_may_not_be_read_is_an_error_of_the_listing(opened: Open, root: Path) -> None:
    destination = opened()
    put(destination, PATH, b"x")
    closed = root / "other"
    closed.mkdir(mode=0o700)
    with pytest.raises(DestinationUnavailable, match="does not permit"):
        list(destination.list())
    # a folder that no archive can be in, as the system's own, is nobody's concern
    closed.rename(root / "lost+found")
    assert [file.path for file in destination.list()] == [PATH]


def test_an_account_that_may_not_delete_stores_and_is_told_so(sshd: Sshd, opened: Open, apart: str) -> None:
    destination = opened(APPEND_ONLY)
    put(destination, PATH, b"x")
    with pytest.raises(DestinationUnavailable, match=r"delete .* does not permit"):
        destination.delete(PATH)
    assert files_below(sshd.home(APPEND_ONLY) / apart) == [PATH]


def test_a_disk_without_room_is_said_before_the_first_byte(opened: Open) -> None:
    read: list[int] = []

    class Source(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            read.append(1)
            return super().read(size)

    with pytest.raises(DestinationFull, match="free"):
        opened(SMALL).put(Source(bytes(64 * MIB)), PATH, size=64 * MIB, token="t")
    assert read == []


def test_a_disk_that_fills_up_in_the_middle_leaves_nothing(opened: Open) -> None:
    destination, other = opened(SMALL), opened(SMALL)
    size = 6 * MIB

    class Source(io.BytesIO):
        def read(self, length: int | None = -1) -> bytes:
            if self.tell() >= 2 * MIB and not filled:
                filled.append(1)
                put(other, "shop/manual/other.tar", os.urandom(4 * MIB))
            return super().read(length)

    filled: list[int] = []
    with pytest.raises(DestinationFull, match="stored no more") as caught:
        destination.put(Source(os.urandom(size)), PATH, size=size, token="t")
    assert "quota" in caught.value.hint
    assert [file.path for file in destination.list()] == ["shop/manual/other.tar"]
    assert list(destination.list_partials()) == []
    destination.delete("shop/manual/other.tar")
    put(destination, PATH, b"and it goes on")


def test_free_space_is_that_of_the_disk_also_before_the_folder_is_there(opened: Open) -> None:
    free = opened(SMALL, base_path="not-there-yet").free_space()
    assert free is not None and MIB < free <= 8 * MIB


def test_a_folder_whose_parent_is_missing_is_an_error_and_nothing_is_made(opened: Open, sshd: Sshd) -> None:
    destination = opened(base_path=f"{sshd.home(FULL)}/mnt/nas/backups")
    with pytest.raises(DestinationUnavailable, match="folder above it does not exist"):
        put(destination, PATH, b"x")
    assert not (sshd.home(FULL) / "mnt").exists()


def test_a_folder_that_is_a_file_is_an_error(opened: Open, root: Path, sshd: Sshd) -> None:
    root.write_text("x")
    sshd.give(FULL, root)
    with pytest.raises(DestinationUnavailable, match="not a folder"):
        opened().test()
    with pytest.raises(DestinationUnavailable, match="not a folder"):
        list(opened().list())
    with pytest.raises(DestinationUnavailable, match="not a folder"):
        put(opened(), PATH, b"x")


def test_archives_that_were_there_and_are_gone_are_an_error(opened: Open, root: Path, sshd: Sshd) -> None:
    put(opened(), PATH, b"x")
    opened(established=True).stat(PATH)
    root.rename(root.with_name(f"{root.name}-away"))
    for use in (lambda d: list(d.list()), lambda d: put(d, PATH, b"x")):
        with pytest.raises(DestinationUnavailable, match="gone or empty"):
            use(opened(established=True))
    assert not root.exists()
    # an empty mount point is no better
    home_folder(sshd, FULL, root.name)
    with pytest.raises(DestinationUnavailable, match="gone or empty"):
        opened(established=True).require_reachable()


def test_a_link_in_place_of_an_archive_is_not_left_out_of_a_listing(opened: Open, root: Path) -> None:
    destination = opened()
    put(destination, PATH, b"x")
    (root / "shop" / "manual" / "moved.tar.gz").symlink_to(root / PATH)
    with pytest.raises(DestinationUnavailable, match="symbolic link"):
        list(destination.list())


def test_thousands_of_foreign_files_are_no_concern(opened: Open, root: Path, sshd: Sshd) -> None:
    destination = opened()
    put(destination, PATH, b"x")
    for number in range(3000):
        (root / f"Bild {number} für Opa.jpg").touch()
    (root / os.fsdecode(b"no utf-8 \xff")).touch()
    assert [file.path for file in destination.list()] == [PATH]
    assert len(files_below(root)) == 3002


def test_a_name_that_another_program_takes_during_the_upload_is_not_overwritten(
    opened: Open, root: Path, sshd: Sshd
) -> None:
    class Source(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            (root / PATH).write_bytes(b"theirs")
            return super().read(size)

    destination = opened()
    put(destination, "shop/manual/before.tar", b"x")
    data = b"ours"
    with pytest.raises(DestinationError, match="exists already"):
        destination.put(Source(data), PATH, size=len(data), token="t", sha256=hashlib.sha256(data).hexdigest())
    assert (root / PATH).read_bytes() == b"theirs"
    assert files_below(root) == [PATH, "shop/manual/before.tar"]


def test_a_rename_that_would_overwrite_is_refused_by_the_server(
    opened: Open, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the rename: what stands then is the rename itself."""
    destination: SftpDestination = opened()
    put(destination, PATH, b"theirs")
    folder = destination._opened()
    exists, looks = folder.exists, [False]
    monkeypatch.setattr(folder, "exists", lambda path: looks.pop() if looks else exists(path))
    (root / f"{PATH}.t.part").write_bytes(b"ours")
    with pytest.raises(NameTaken):
        folder.publish(f"{PATH}.t.part", PATH)
    assert (root / PATH).read_bytes() == b"theirs"
