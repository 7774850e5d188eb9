"""What a local destination does when all is well, and what it refuses."""

import hashlib
import io
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from destinations.backends import Destination, create_destination
from destinations.exceptions import DestinationConfigError, NameTaken, NotFound, VerificationFailed
from tests.destinations.conftest import files_below, put

MIB = 1024 * 1024
PATH = "tacacs-hq/manual/backup.tar.gz"


def test_what_was_put_is_listed_and_comes_back(local: Destination, backup_root: Path) -> None:
    data = os.urandom(3 * MIB + 17)
    stored = put(local, PATH, data)
    sink = io.BytesIO()
    assert (stored.path, stored.size_bytes) == (PATH, len(data))
    assert stored.modified_at is not None and abs(stored.modified_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert local.get(PATH, sink) == len(data)
    assert sink.getvalue() == data == (backup_root / "nas" / PATH).read_bytes()
    assert list(local.list()) == [stored] == [local.stat(PATH)]
    assert list(local.list_partials()) == []


def test_an_empty_file_is_stored(local: Destination) -> None:
    assert put(local, PATH, b"").size_bytes == 0


def test_progress_is_told_of_every_mebibyte_and_stays_alive_during_verification(local: Destination) -> None:
    data, heard, received = os.urandom(2 * MIB + 5), [], []
    digest = hashlib.sha256(data).hexdigest()
    local.put(io.BytesIO(data), PATH, size=len(data), token="t", sha256=digest, progress=heard.append)
    local.get(PATH, io.BytesIO(), progress=received.append)
    assert heard == [MIB, MIB, 5, 0, 0, 0]
    assert received == [MIB, MIB, 5]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o277])
def test_files_are_0600_in_folders_0700_whatever_the_umask(local: Destination, backup_root: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        put(local, PATH, b"data")
    finally:
        os.umask(before)
    nas = backup_root / "nas"
    assert {oct(path.stat().st_mode) for path in (nas, nas / "tacacs-hq", nas / "tacacs-hq/manual")} == {"0o40700"}
    assert oct((nas / PATH).stat().st_mode) == "0o100600"


def test_a_name_in_use_is_never_overwritten(local: Destination, backup_root: Path) -> None:
    put(local, PATH, b"first")
    with pytest.raises(NameTaken, match=r"backup\.tar\.gz exists already") as caught:
        put(local, PATH, b"second")
    assert caught.value.hint
    assert (backup_root / "nas" / PATH).read_bytes() == b"first"
    assert files_below(backup_root) == [f"nas/{PATH}"]


@pytest.mark.parametrize("size", [4, 6])
def test_a_source_of_another_size_than_announced_leaves_nothing(
    local: Destination, backup_root: Path, size: int
) -> None:
    with pytest.raises(VerificationFailed, match="size"):
        local.put(io.BytesIO(b"12345"), PATH, size=size, token="t")
    assert files_below(backup_root) == []


def test_a_wrong_checksum_leaves_nothing(local: Destination, backup_root: Path) -> None:
    with pytest.raises(VerificationFailed, match="SHA-256") as caught:
        local.put(io.BytesIO(b"12345"), PATH, size=5, token="t", sha256=hashlib.sha256(b"other").hexdigest())
    assert PATH in caught.value.message
    assert files_below(backup_root) == []


def test_a_part_damaged_on_its_way_is_never_published(local: Destination, backup_root: Path) -> None:
    data = os.urandom(2 * MIB)

    def damage(written: int) -> None:
        (part,) = (backup_root / "nas").rglob("*.part")
        with part.open("r+b") as file:
            file.write(b"damage")

    with pytest.raises(VerificationFailed, match="SHA-256"):
        local.put(
            io.BytesIO(data), PATH, size=len(data), token="t", sha256=hashlib.sha256(data).hexdigest(), progress=damage
        )
    assert files_below(backup_root) == []


class Cancelled(BaseException):
    pass


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_progress_that_raises_cancels_while_writing_and_while_verifying(
    local: Destination, backup_root: Path, at: int
) -> None:
    calls = []

    def cancel(written: int) -> None:
        calls.append(written)
        assert list(local.list()) == []
        assert len(list(local.list_partials())) == 1
        if len(calls) == at:
            raise Cancelled

    data = os.urandom(2 * MIB)
    with pytest.raises(Cancelled):
        local.put(
            io.BytesIO(data), PATH, size=len(data), token="t", sha256=hashlib.sha256(data).hexdigest(), progress=cancel
        )
    assert len(calls) == at
    assert files_below(backup_root) == []


def test_an_error_of_the_source_is_not_blamed_on_the_destination(local: Destination, backup_root: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "the workspace is gone")

    with pytest.raises(OSError, match="the workspace is gone"):
        local.put(Broken(), PATH, size=5, token="t")
    assert files_below(backup_root) == []


def test_a_listing_goes_by_whole_folder_names(local: Destination) -> None:
    for path in ("app/manual/1.tar", "app/daily/2.tar", "app2/manual/3.tar", "top.tar"):
        put(local, path, b"x")
    assert [file.path for file in local.list("app")] == ["app/daily/2.tar", "app/manual/1.tar"]
    assert [file.path for file in local.list("app/manual")] == ["app/manual/1.tar"]
    assert [file.path for file in local.list("ap")] == []
    assert len(list(local.list())) == 4


def test_names_that_no_archive_can_have_are_not_listed(local: Destination, backup_root: Path) -> None:
    put(local, PATH, b"x")
    for name in ("lost+found", ".snapshot"):
        (backup_root / "nas" / name).mkdir()
        (backup_root / "nas" / name / "file.tar").write_bytes(b"not ours")
    (backup_root / "nas" / "with space.tar").write_bytes(b"not ours")
    assert [file.path for file in local.list()] == [PATH]


def test_a_file_that_is_not_there_is_not_found(local: Destination) -> None:
    put(local, PATH, b"x")
    for missing in ("tacacs-hq/manual/other.tar.gz", "nobody/manual/backup.tar.gz"):
        for use in (local.stat, local.delete, lambda path: local.get(path, io.BytesIO())):
            with pytest.raises(NotFound, match="There is no") as caught:
                use(missing)
            assert caught.value.hint


def test_a_deleted_file_is_gone_and_its_folder_stays(local: Destination, backup_root: Path) -> None:
    put(local, PATH, b"x")
    local.delete(PATH)
    assert list(local.list()) == []
    assert (backup_root / "nas/tacacs-hq/manual").is_dir()


def test_sweep_removes_the_parts_of_one_execution_only(local: Destination, backup_root: Path) -> None:
    put(local, PATH, b"x")
    folder = backup_root / "nas/tacacs-hq/manual"
    for name in ("a.tar.gz.dead-1.part", "b.tar.gz.dead-1.part", "c.tar.gz.alive.part", "c.tar.gz.dead-12.part"):
        (folder / name).write_bytes(b"partial")
    assert len(list(local.list_partials())) == 4
    assert local.sweep("dead-1") == (
        "tacacs-hq/manual/a.tar.gz.dead-1.part",
        "tacacs-hq/manual/b.tar.gz.dead-1.part",
    )
    assert sorted(path.name for path in folder.iterdir()) == [
        "backup.tar.gz",
        "c.tar.gz.alive.part",
        "c.tar.gz.dead-12.part",
    ]
    assert local.sweep("dead-1") == ()


@pytest.mark.parametrize("path", [PATH, "x/../a.tar.t.part", "a b.t.part", "/a.tar.t.part"])
def test_delete_partial_deletes_nothing_else(local: Destination, path: str) -> None:
    put(local, PATH, b"x")
    with pytest.raises(DestinationConfigError):
        local.delete_partial(path)
    assert local.stat(PATH).size_bytes == 1


def test_the_test_writes_reads_back_and_cleans_up(local: Destination, backup_root: Path) -> None:
    steps = local.test()
    assert [step.name for step in steps] == ["write", "list", "read back", "delete", "free space"]
    assert str(backup_root / "nas") in steps[0].detail
    assert files_below(backup_root) == []


def test_free_space_is_that_of_the_file_system(local: Destination, backup_root: Path) -> None:
    def expected() -> int:
        info = os.statvfs(backup_root)
        return info.f_bavail * info.f_frsize

    for _ in range(2):  # before and after the destination has a folder
        free = local.free_space()
        assert free is not None and abs(free - expected()) < 256 * MIB
        put(local, f"{_}.tar", b"x")


def test_two_destinations_do_not_see_each_other(local: Destination) -> None:
    put(local, PATH, b"x")
    with create_destination("local", {"path": "usb"}) as other:
        assert list(other.list()) == []


def test_no_descriptor_stays_open(local: Destination, backup_root: Path) -> None:
    def use() -> None:
        put(local, PATH, b"x" * MIB)
        local.get(PATH, io.BytesIO())
        list(local.list())
        next(local.list())
        with pytest.raises(NameTaken):
            put(local, PATH, b"y")
        with pytest.raises(NotFound):
            local.stat("no/such.tar")
        local.test()
        local.delete(PATH)

    use()
    before = len(list(Path("/proc/self/fd").iterdir()))
    use()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_head_is_the_beginning_or_all_of_a_shorter_file(local: Destination) -> None:
    data = bytes(range(256)) * 8192
    put(local, "shop/manual/large.bin", data)
    for length in (1, 10, 1024 * 1024, 1024 * 1024 + 1, len(data), len(data) + 1):
        assert local.head("shop/manual/large.bin", length) == data[:length]
    put(local, "shop/manual/empty.bin", b"")
    assert local.head("shop/manual/empty.bin", 10) == b""
    with pytest.raises(NotFound):
        local.head("shop/manual/none.bin", 10)
