"""Folders that are gone, empty or forbidden."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pytest_django import Settings

from destinations.backends import Destination, create_destination
from destinations.exceptions import DestinationError, DestinationUnavailable
from tests.destinations.conftest import files_below, put
from tests.support.programs import missing

PATH = "tacacs-hq/manual/backup.tar.gz"


@contextmanager
def as_nobody() -> Iterator[None]:
    if os.geteuid() != 0:
        missing("only root can become another user")
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_root(settings: Settings) -> Iterator[Path]:
    """A BACKUP_ROOT that another user can reach, unlike those below pytest's own folder."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        settings.BACKUP_ROOT = Path(folder)
        yield Path(folder)


def test_a_folder_without_permission_is_an_error_and_never_an_empty_listing(open_root: Path) -> None:
    local = create_destination("local", {"path": "nas"})
    put(local, PATH, b"data")
    with as_nobody():
        for use in (
            lambda: list(local.list()),
            lambda: list(local.list("tacacs-hq")),
            lambda: local.stat(PATH),
            lambda: local.sweep("t"),
            lambda: put(local, "b/new.tar", b"x"),
        ):
            with pytest.raises(DestinationUnavailable, match="permission denied") as caught:
                use()
            assert "uid 65534" in caught.value.hint
    assert files_below(open_root) == [f"nas/{PATH}"]


def test_an_unreadable_folder_inside_fails_the_whole_listing(open_root: Path) -> None:
    local = create_destination("local", {"path": "nas"})
    put(local, PATH, b"data")
    put(local, "zzz/manual/backup.tar", b"data")
    (open_root / "nas").chmod(0o755)
    (open_root / "nas/tacacs-hq").chmod(0o755)
    with as_nobody(), pytest.raises(DestinationUnavailable, match="permission denied"):
        list(local.list())


def test_a_missing_backup_root_is_an_error_and_never_made(backup_root: Path, local: Destination) -> None:
    backup_root.rmdir()
    for use in (lambda: put(local, PATH, b"x"), lambda: list(local.list()), local.free_space, local.test):
        with pytest.raises(DestinationUnavailable, match="does not exist") as caught:
            use()
        assert str(backup_root) in caught.value.message
        assert "mounted" in caught.value.hint
    assert not backup_root.exists()


def test_a_backup_root_that_cannot_be_looked_at_is_unavailable(settings: Settings, tmp_path: Path) -> None:
    settings.BACKUP_ROOT = tmp_path / ("x" * 300)
    local = create_destination("local", {"path": "nas"})
    for use in (lambda: put(local, PATH, b"x"), lambda: list(local.list()), local.free_space, local.require_reachable):
        with pytest.raises(DestinationUnavailable, match=r"Cannot open the folder .*: File name too long") as caught:
            use()
        assert "mounted" in caught.value.hint


def test_a_folder_whose_file_system_fails_is_not_writable(local: Destination, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> os.statvfs_result:
        raise OSError(errno.EIO, "")

    put(local, PATH, b"x")
    monkeypatch.setattr(os, "fstatvfs", fail)
    with pytest.raises(DestinationUnavailable, match=r"Cannot write the folder .*/nas: input/output error"):
        local.require_reachable()


def test_a_new_destination_is_empty_and_gets_its_folder_from_the_first_upload(
    backup_root: Path, local: Destination
) -> None:
    assert list(local.list()) == []
    assert local.sweep("t") == ()
    assert not (backup_root / "nas").exists()
    put(local, PATH, b"x")
    assert (backup_root / "nas").is_dir()


@pytest.mark.parametrize("state", ["gone", "empty"])
def test_a_destination_with_archives_that_turns_up_gone_or_empty_is_an_error(backup_root: Path, state: str) -> None:
    if state == "empty":
        (backup_root / "nas/lost+found").mkdir(parents=True)
    established = create_destination("local", {"path": "nas"}, established=True)
    for use in (
        lambda: put(established, PATH, b"x"),
        lambda: list(established.list()),
        lambda: established.stat(PATH),
        lambda: established.sweep("t"),
        established.free_space,
        established.test,
    ):
        with pytest.raises(DestinationUnavailable, match=f"is {state}, although archives were stored") as caught:
            use()
        assert "Mount the disk" in caught.value.hint
    assert files_below(backup_root) == []


def test_a_destination_whose_last_archive_was_deleted_is_not_taken_for_unmounted(local: Destination) -> None:
    put(local, PATH, b"x")
    established = create_destination("local", {"path": "nas"}, established=True)
    established.delete(PATH)
    assert list(established.list()) == []
    put(established, PATH, b"x")


def test_every_error_is_one_sentence_with_a_hint(backup_root: Path, local: Destination) -> None:
    (backup_root / "nas").write_bytes(b"a file where a folder belongs")
    with pytest.raises(DestinationError) as caught:
        put(local, PATH, b"x")
    assert str(caught.value) == caught.value.message
    assert caught.value.message == f"Cannot open the folder {backup_root}/nas: it is a symbolic link or not a folder."
    assert caught.value.hint
