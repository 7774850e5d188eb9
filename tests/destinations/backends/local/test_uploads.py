"""Uploads that are killed, and uploads to one name at once."""

import errno
import io
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import pytest

from destinations.backends import Destination, create_destination
from destinations.exceptions import NameTaken, NotFound
from tests.destinations.conftest import files_below, put
from tests.support.paths import PROJECT
from tests.support.processes.failing_syscalls import refuse_hard_links

MIB = 1024 * 1024
PATH = "tacacs-hq/manual/backup.tar.gz"


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
