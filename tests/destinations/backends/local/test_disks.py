"""Local destinations on a disk that is full or read-only."""

import io
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from destinations.backends import Destination
from destinations.exceptions import DestinationFull, DestinationUnavailable
from tests.destinations.conftest import files_below, put
from tests.support.programs import missing

MIB = 1024 * 1024
PATH = "tacacs-hq/manual/backup.tar.gz"


def mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        missing(f"mounting a file system is not permitted here: {done.stderr.strip()}")


@pytest.fixture
def small_disk(backup_root: Path) -> Iterator[Path]:
    """BACKUP_ROOT on a disk of 4 MiB."""
    mount("-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", str(backup_root))
    yield backup_root
    subprocess.run(["umount", str(backup_root)], check=True)


def test_a_file_larger_than_the_free_space_is_refused_before_it_is_sent(small_disk: Path, local: Destination) -> None:
    source = io.BytesIO(bytes(5 * MIB))
    with pytest.raises(DestinationFull, match=r"has 4\.2 MB free, and the file needs 5\.2 MB") as caught:
        local.put(source, PATH, size=5 * MIB, token="t")
    assert str(small_disk) in caught.value.message
    assert "Free some space" in caught.value.hint
    assert source.tell() == 0


def test_a_disk_that_fills_up_during_the_upload_leaves_nothing(small_disk: Path, local: Destination) -> None:
    def fill(written: int) -> None:
        (small_disk / "somebody-elses").write_bytes(bytes(2 * MIB + MIB // 2))

    with pytest.raises(DestinationFull, match="no space is left") as caught:
        local.put(io.BytesIO(bytes(3 * MIB)), PATH, size=3 * MIB, token="t", progress=fill)
    assert str(small_disk / "nas" / PATH) in caught.value.message
    assert files_below(small_disk / "nas") == []
    (small_disk / "somebody-elses").unlink()
    assert put(local, PATH, bytes(3 * MIB)).size_bytes == 3 * MIB


def test_a_file_size_limit_is_a_full_destination(local: Destination, backup_root: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, limits[1]))
    try:
        with pytest.raises(DestinationFull, match="larger than the file system or a limit allows"):
            put(local, PATH, bytes(3 * MIB))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files_below(backup_root) == []


def test_a_read_only_disk_is_said_to_be_one_and_can_still_be_read(small_disk: Path, local: Destination) -> None:
    put(local, PATH, b"data")
    mount("-o", "remount,ro", str(small_disk))
    for use in (lambda: put(local, "a/new.tar", b"x"), lambda: local.delete(PATH), local.test):
        with pytest.raises(DestinationUnavailable, match="the file system is read-only") as caught:
            use()
        assert "Mount it writable" in caught.value.hint
    assert local.get(PATH, io.BytesIO()) == 4
