"""Links on the server that lead out of the folder, and names that do not resolve."""

import io
import os
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from destinations.backends.sftp import SftpDestination
from destinations.exceptions import DestinationUnavailable
from tests.destinations.conftest import files_below, put
from tests.destinations.servers.sftp.conftest import Open
from tests.support.paths import PROJECT
from tests.support.servers.sshd import Sshd

PATH = "shop/manual/backup.tar.gz"


@pytest.fixture
def outside(root: Path, apart: str, sshd: Sshd) -> Path:
    """Return a folder beside that of the destination, to which its folder `shop` is a link."""
    folder = root.parent / f"{apart}-outside"
    owner = root.parent.stat()
    for each in (root, folder, folder / "manual"):
        each.mkdir()
        os.chown(each, owner.st_uid, owner.st_gid)
    (folder / "manual" / "backup.tar.gz").write_bytes(b"of somebody else")
    os.chown(folder / "manual" / "backup.tar.gz", owner.st_uid, owner.st_gid)
    (root / "shop").symlink_to(folder)
    return folder


@pytest.mark.parametrize(
    "use",
    [
        lambda destination: put(destination, "shop/manual/other.tar", b"x"),
        lambda destination: destination.get(PATH, io.BytesIO()),
        lambda destination: destination.delete(PATH),
        lambda destination: destination.stat(PATH),
        lambda destination: list(destination.list("shop/manual")),
        lambda destination: destination.delete_partial("shop/manual/other.tar.t1.part"),
    ],
)
def test_no_link_leads_out_of_the_folder(opened: Open, outside: Path, use: Callable[[SftpDestination], object]) -> None:
    with pytest.raises(DestinationUnavailable, match="link"):
        use(opened())
    assert files_below(outside) == ["manual/backup.tar.gz"]
    assert (outside / "manual" / "backup.tar.gz").read_bytes() == b"of somebody else"


def test_the_folder_itself_may_be_a_link(opened: Open, root: Path, apart: str) -> None:
    real = root.parent / f"{apart}-real"
    real.mkdir()
    owner = root.parent.stat()
    os.chown(real, owner.st_uid, owner.st_gid)
    root.symlink_to(real)
    destination = opened()
    put(destination, PATH, b"x")
    assert files_below(real) == [PATH]
    assert [file.path for file in destination.list()] == [PATH]


MUTE_NAME_SERVER = """
    import socket, sys, threading, time
    import django
    django.setup()
    from destinations.backends.sftp import SftpDestination

    class Cancelled(BaseException):
        pass

    asked = threading.Event()

    def resolve(*args, **options):
        asked.set()
        time.sleep(60)

    def progress(moved):
        if asked.is_set():
            raise Cancelled

    socket.getaddrinfo = resolve
    import io
    given = {"host": "nas.example", "username": "u", "password": "x", "host_key": sys.argv[1], "base_path": "x"}
    try:
        SftpDestination(given).put(io.BytesIO(b"x"), "a/manual/x.tar", size=1, token="t", progress=progress)
    except Cancelled:
        print("cancelled")
"""


def test_a_process_ends_though_a_name_server_does_not_answer(sshd: Sshd) -> None:
    argv = [sys.executable, "-c", textwrap.dedent(MUTE_NAME_SERVER), sshd.public_host_key("ed25519")]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": str(PROJECT)}
    began = time.monotonic()
    done = subprocess.run(argv, env=environment, cwd=PROJECT, capture_output=True, text=True, timeout=50, check=False)
    assert done.stdout == "cancelled\n", done.stderr
    # the resolver would have been waited for
    assert time.monotonic() - began < 50


def test_a_name_that_does_not_exist_is_named(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*args: object, **options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(DestinationUnavailable, match="cannot be resolved"):
        opened(host="nas.example").stat(PATH)
