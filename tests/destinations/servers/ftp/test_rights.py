"""Accounts that may not do everything, disks that are full, folders that are not there."""

import io
import os
import stat
from pathlib import Path

import pytest

from destinations.backends.base import StoredFile, UploadState
from destinations.exceptions import DestinationError, DestinationFull, DestinationUnavailable, NameTaken
from tests.destinations.conftest import files_below, put
from tests.destinations.servers.ftp.conftest import Open
from tests.support.servers.ftp.server import FtpServer
from tests.support.servers.running.accounts import APPEND_ONLY, FULL, READ_ONLY, SMALL, UNLISTED

MIB = 1024 * 1024
PATH = "shop/manual/backup.tar.gz"


def home_folder(server: FtpServer, user: str, name: str) -> Path:
    folder = server.home(user) / name
    folder.mkdir()
    server.give(user, folder)
    return folder


def test_files_and_folders_are_private(opened: Open, root: Path) -> None:
    put(opened(), PATH, b"x")
    modes = {str(path.relative_to(root)): stat.S_IMODE(path.stat().st_mode) for path in root.rglob("*")}
    assert modes == {"shop": 0o700, "shop/manual": 0o700, PATH: 0o600}
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


def test_an_account_that_may_not_write_is_told_so(server: FtpServer, opened: Open, apart: str) -> None:
    home_folder(server, READ_ONLY, apart)
    with pytest.raises(DestinationUnavailable, match="does not permit") as caught:
        put(opened(READ_ONLY), PATH, b"x")
    assert f"{server.host}:{server.port}" in caught.value.message
    assert "right" in caught.value.hint


def test_a_folder_that_may_not_be_listed_never_reads_as_empty(server: FtpServer, opened: Open, apart: str) -> None:
    home_folder(server, UNLISTED, apart)
    destination = opened(UNLISTED)
    for listing in (destination.list, destination.list_partials):
        with pytest.raises(DestinationUnavailable, match="does not permit"):
            list(listing())
    with pytest.raises(DestinationError):
        opened(UNLISTED, established=True).stat(PATH)
    with pytest.raises(DestinationError, match="does not permit"):
        destination.test()


def test_one_folder_within_that_may_not_be_read_is_an_error_of_the_listing(
    opened: Open, root: Path, server: FtpServer
) -> None:
    destination = opened()
    put(destination, PATH, b"x")
    closed = root / "other"
    closed.mkdir()
    # first without the right to enter, then with that, and without the right to read: vsftpd lists it as empty then
    for mode in (0o000, 0o111):
        closed.chmod(mode)
        with pytest.raises(DestinationUnavailable, match="does not permit"):
            list(destination.list())
    # a folder that no archive can be in, as the system's own, is nobody's concern
    closed.rename(root / "lost+found")
    assert [file.path for file in destination.list()] == [PATH]


def test_an_account_that_may_not_delete_stores_and_is_told_so(server: FtpServer, opened: Open, apart: str) -> None:
    destination = opened(APPEND_ONLY)
    put(destination, PATH, b"x")
    with pytest.raises(DestinationUnavailable, match="delete"):
        destination.delete(PATH)
    assert files_below(server.home(APPEND_ONLY) / apart) == [PATH]


def test_a_partial_upload_that_cannot_be_deleted_does_not_stand_in_the_way(
    server: FtpServer, opened: Open, apart: str
) -> None:
    destination = opened(APPEND_ONLY)
    put(destination, "shop/manual/before.tar", b"x")
    left = server.home(APPEND_ONLY) / apart / f"{PATH}.t1.part"
    left.write_bytes(b"left")
    server.give(APPEND_ONLY, left)
    put(destination, PATH, b"whole", token="t1")
    assert (server.home(APPEND_ONLY) / apart / PATH).read_bytes() == b"whole"
    assert [file.path for file in destination.list_partials()] == [f"{PATH}.t1.part"]


def test_a_disk_that_fills_up_in_the_middle_leaves_nothing(opened: Open) -> None:
    destination = opened(SMALL)
    put(destination, "shop/manual/other.tar", os.urandom(4 * MIB))
    size = 10 * MIB
    with pytest.raises(DestinationFull) as caught:
        destination.put(io.BytesIO(os.urandom(size)), PATH, size=size, token="t")
    assert "quota" in caught.value.hint
    assert [file.path for file in destination.list()] == ["shop/manual/other.tar"]
    assert list(destination.list_partials()) == []
    destination.delete("shop/manual/other.tar")
    put(destination, PATH, b"and it goes on")
    destination.delete(PATH)


def test_a_folder_whose_parent_is_missing_is_an_error_and_nothing_is_made(opened: Open, server: FtpServer) -> None:
    with pytest.raises(DestinationUnavailable, match="folder above it does not exist"):
        put(opened(base_path="/mnt/nas/backups"), PATH, b"x")
    assert not (server.home(FULL) / "mnt").exists()


def test_a_folder_that_is_a_file_is_an_error(opened: Open, root: Path, server: FtpServer) -> None:
    root.write_text("x")
    server.give(FULL, root)
    for use in (lambda d: d.test(), lambda d: list(d.list()), lambda d: put(d, PATH, b"x")):
        with pytest.raises(DestinationUnavailable, match="not a folder"):
            use(opened())


def test_archives_that_were_there_and_are_gone_are_an_error(opened: Open, root: Path, server: FtpServer) -> None:
    put(opened(), PATH, b"x")
    opened(established=True).stat(PATH)
    root.rename(root.with_name(f"{root.name}-away"))
    for use in (lambda d: list(d.list()), lambda d: put(d, PATH, b"x")):
        with pytest.raises(DestinationUnavailable, match="gone or empty"):
            use(opened(established=True))
    assert not root.exists()
    # an empty mount point is no better
    home_folder(server, FULL, root.name)
    with pytest.raises(DestinationUnavailable, match="gone or empty"):
        opened(established=True).require_reachable()


def test_a_link_in_place_of_an_archive_is_not_left_out_of_a_listing(opened: Open, root: Path) -> None:
    destination = opened()
    put(destination, PATH, b"x")
    (root / "shop" / "manual" / "moved.tar.gz").symlink_to("backup.tar.gz")
    with pytest.raises(DestinationUnavailable, match="symbolic link"):
        list(destination.list())


def test_thousands_of_foreign_files_are_no_concern(opened: Open, root: Path) -> None:
    destination = opened()
    put(destination, PATH, b"x")
    for number in range(1000):
        (root / f"Bild {number} für Opa.jpg").touch()
    (root / os.fsdecode(b"no utf-8 \xff")).touch()
    (root / " begins with a space -> 12 Jan 3 12:00 x.tar").touch()
    assert [file.path for file in destination.list()] == [PATH]


def test_folders_with_spaces_and_umlauts_hold_archives(opened: Open, server: FtpServer, apart: str) -> None:
    name = f"Größe & Söhne {apart}"
    destination = opened(base_path=f"/{name}")
    put(destination, PATH, b"x")
    assert (server.home(FULL) / name / PATH).read_bytes() == b"x"
    assert [file.path for file in destination.list()] == [PATH]


def test_a_name_that_another_program_takes_during_the_upload_is_not_overwritten(opened: Open, root: Path) -> None:
    class Source(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            (root / PATH).write_bytes(b"theirs")
            return super().read(size)

    destination = opened()
    put(destination, "shop/manual/before.tar", b"x")
    with pytest.raises(NameTaken):
        destination.put(Source(b"ours"), PATH, size=4, token="t")
    assert (root / PATH).read_bytes() == b"theirs"
    assert files_below(root) == [PATH, "shop/manual/before.tar"]


def test_every_partial_upload_of_a_backup_is_swept(opened: Open, root: Path, server: FtpServer) -> None:
    destination = opened()
    put(destination, "shop/manual/before.tar", b"x")
    for name in ("backup.tar.gz.t1.part", "backup.tar.gz.3.t1.part", "backup.tar.gz.t2.part"):
        (root / "shop" / "manual" / name).touch()
        server.give(FULL, root / "shop" / "manual" / name)
    assert len(destination.sweep("t1")) == 2
    assert files_below(root) == ["shop/manual/backup.tar.gz.t2.part", "shop/manual/before.tar"]


def test_a_partial_upload_of_a_dead_process_without_a_state_gives_way(
    opened: Open, root: Path, server: FtpServer
) -> None:
    destination = opened()
    put(destination, "shop/manual/before.tar", b"x")
    (root / f"{PATH}.t1.part").write_bytes(bytes(3 * MIB))
    server.give(FULL, root / f"{PATH}.t1.part")
    stored: StoredFile = destination.put(
        io.BytesIO(b"ours"), PATH, size=4, token="t1", state=UploadState({}, lambda data: None)
    )
    assert stored.size_bytes == 4
    assert files_below(root) == [PATH, "shop/manual/before.tar"]
