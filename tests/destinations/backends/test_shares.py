"""File systems that refuse modes, hard links or the fsync of a folder hold archives all the same."""

import errno
import io
import logging
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from destinations.backends import Destination
from destinations.backends.local import modes
from destinations.exceptions import DestinationUnavailable, NameTaken
from tests.destinations.conftest import files_below, put
from tests.support.programs import missing, require

PATH = "hq/manual/backup.tar.gz"


@pytest.fixture
def ntfs(backup_root: Path, tmp_path: Path) -> Iterator[Path]:
    """BACKUP_ROOT on NTFS, through FUSE."""
    image = tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run([require("mkfs.ntfs"), "-F", "-Q", "-q", str(image)], check=True, capture_output=True)
    mounted = subprocess.run([require("ntfs-3g"), str(image), str(backup_root)], capture_output=True, check=False)
    if mounted.returncode:
        missing("nothing can be mounted through FUSE here")
    yield backup_root
    subprocess.run([require("umount"), str(backup_root)], check=True)


@pytest.mark.usefixtures("ntfs")
def test_an_ntfs_disk_takes_lists_and_gives_archives(local: Destination, backup_root: Path) -> None:
    put(local, PATH, b"content")
    assert [file.path for file in local.list()] == [PATH]
    with pytest.raises(NameTaken):
        put(local, PATH, b"another")
    sink = io.BytesIO()
    local.get(PATH, sink)
    assert sink.getvalue() == b"content"
    assert files_below(backup_root / "nas") == [PATH]
    local.test()


@pytest.mark.parametrize("refusal", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_share_that_refuses_modes_is_reported_once_and_used(
    refusal: int,
    local: Destination,
    backup_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(descriptor: int, mode: int) -> None:
        raise OSError(refusal, os.strerror(refusal))

    monkeypatch.setattr(modes, "_without_modes", set())
    monkeypatch.setattr(os, "fchmod", refuse)
    with caplog.at_level(logging.WARNING):
        put(local, PATH, b"content")
        put(local, "other.tar", b"content")
    assert files_below(backup_root) == [f"nas/{PATH}", "nas/other.tar"]
    assert caplog.text.count("destination.no-modes") == 1


def test_no_partial_upload_is_left_where_a_new_file_fails_at_once(
    local: Destination, backup_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(local, "first.tar", b"x")

    def fail(descriptor: int, mode: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fchmod", fail)
    for _ in range(2):
        with pytest.raises(DestinationUnavailable):
            put(local, "second.tar", b"x")
    assert files_below(backup_root) == ["nas/first.tar"]


@pytest.mark.parametrize("refusal", [errno.EINVAL, errno.ENOENT, errno.ENOTTY, errno.EACCES, errno.ENOSYS])
def test_a_share_without_fsync_of_folders_is_used(
    refusal: int, local: Destination, backup_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def refuse(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(refusal, os.strerror(refusal))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    put(local, PATH, b"content")
    local.delete(PATH)
    assert files_below(backup_root) == []
