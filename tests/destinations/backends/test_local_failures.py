"""The disk full, read-only, gone or forbidden; processes killed or racing: each made to happen for real."""

import errno
import io
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest
from pytest_django import Settings

from destinations.backends import Destination, create_destination
from destinations.exceptions import DestinationError, DestinationFull, DestinationUnavailable, NameTaken, NotFound
from tests.destinations.conftest import files_below, put
from tests.support.paths import PROJECT
from tests.support.processes.failing_syscalls import refuse_hard_links
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


def test_told_to_end_right_after_its_file_was_made_an_upload_leaves_nothing(
    local: Destination, backup_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fchmod

    def strike(descriptor: int, mode: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink().suffix == ".part":
            raise SystemExit(143)
        real(descriptor, mode)

    monkeypatch.setattr(os, "fchmod", strike)
    with pytest.raises(SystemExit):
        put(local, "hq/backup.tar.gz", b"content")
    assert files_below(backup_root) == []


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


def test_exactly_one_of_two_simultaneous_uploads_gets_the_name(backup_root: Path) -> None:
    barrier = threading.Barrier(2, timeout=20)

    def upload(content: bytes) -> str:
        with create_destination("local", {"path": "nas"}) as destination:
            try:
                destination.put(
                    io.BytesIO(content),
                    PATH,
                    size=len(content),
                    token=chr(content[0]),
                    progress=lambda written: barrier.wait() and None,
                )
            except NameTaken:
                return "taken"
        return chr(content[0])

    with ThreadPoolExecutor(2) as pool:
        for _ in range(10):
            results = sorted(pool.map(upload, (b"a" * 1000, b"b" * 1000)))
            winner = (backup_root / "nas" / PATH).read_bytes()
            assert results == sorted([chr(winner[0]), "taken"])
            assert winner in (b"a" * 1000, b"b" * 1000)
            assert files_below(backup_root) == [f"nas/{PATH}"]
            (backup_root / "nas" / PATH).unlink()


@pytest.mark.parametrize("error", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_file_system_without_hard_links_stores_and_refuses_names_too(backup_root: Path, error: int) -> None:
    def upload() -> None:
        refuse_hard_links(error)
        with pytest.raises(OSError, match=os.strerror(error)):
            os.link(backup_root, backup_root / "link", follow_symlinks=False)
        local = create_destination("local", {"path": "nas"})
        put(local, PATH, b"first")

        def take_the_name(written: int) -> None:
            (backup_root / "nas/late.tar").write_bytes(b"somebody else's")

        with pytest.raises(NameTaken):
            local.put(io.BytesIO(b"x"), "late.tar", size=1, token="t", progress=take_the_name)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(upload).result()
    assert files_below(backup_root) == ["nas/late.tar", f"nas/{PATH}"]
    assert (backup_root / "nas" / PATH).read_bytes() == b"first"
    assert (backup_root / "nas/late.tar").read_bytes() == b"somebody else's"


def start_upload(root: Path, size: int, stdin: int | BinaryIO) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.processes.killed_upload", str(root), PATH, "dead-1", str(size)],
        cwd=PROJECT,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_killed_upload_leaves_no_name_and_a_part_that_sweep_removes(backup_root: Path, local: Destination) -> None:
    with start_upload(backup_root, 10 * MIB, subprocess.PIPE) as child:
        assert child.stdin and child.stdout
        child.stdin.write(bytes(3 * MIB))
        child.stdin.flush()
        assert child.stdout.readline() == b"1048576\n"
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    part = f"{PATH}.dead-1.part"
    assert files_below(backup_root) == [f"nas/{part}"]
    assert list(local.list()) == []
    with pytest.raises(NotFound):
        local.stat(PATH)
    assert local.sweep("another") == ()
    assert local.sweep("dead-1") == (part,)
    assert files_below(backup_root) == []


def test_an_upload_killed_at_any_moment_leaves_the_whole_file_or_none(
    backup_root: Path, local: Destination, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    archive.write_bytes(os.urandom(8 * MIB))
    for delay in range(8):
        with archive.open("rb") as source, start_upload(backup_root, 8 * MIB, source) as child:
            assert child.stdout
            child.stdout.readline()
            time.sleep(delay / 400)
            child.kill()
        local.sweep("dead-1")
        assert files_below(backup_root) in ([], [f"nas/{PATH}"])
        if list(local.list()):
            assert (backup_root / "nas" / PATH).read_bytes() == archive.read_bytes()
            local.delete(PATH)


def test_every_error_is_one_sentence_with_a_hint(backup_root: Path, local: Destination) -> None:
    (backup_root / "nas").write_bytes(b"a file where a folder belongs")
    with pytest.raises(DestinationError) as caught:
        put(local, PATH, b"x")
    assert str(caught.value) == caught.value.message
    assert caught.value.message == f"Cannot open the folder {backup_root}/nas: it is a symbolic link or not a folder."
    assert caught.value.hint
