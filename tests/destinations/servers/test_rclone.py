"""rclone reaches its remotes."""

from pathlib import Path

import pytest

from tests.support.servers.proxy import Proxy
from tests.support.servers.rclone import Rclone
from tests.support.servers.running.accounts import FULL
from tests.support.servers.sshd import Sshd

DATA = bytes(range(256)) * 400


@pytest.mark.parametrize("remote", ["here:", "secret:", "ssh:", "ssh-append-only:"])
def test_rclone_writes_reads_and_deletes_where_it_may(rclone: Rclone, apart: str, remote: str) -> None:
    assert rclone.run("rcat", f"{remote}{apart}/ü 1", data=DATA).returncode == 0
    assert rclone.run("cat", f"{remote}{apart}/ü 1").stdout == DATA
    deleted = rclone.run("deletefile", f"{remote}{apart}/ü 1")
    assert (deleted.returncode == 0) == (remote != "ssh-append-only:"), deleted.stderr


def test_rclone_fails_when_its_upload_is_cut(tmp_path: Path, sshd: Sshd, apart: str) -> None:
    with Proxy(sshd.port) as proxy:
        rclone = Rclone(tmp_path, sshd, port=proxy.port)
        proxy.cut(up=60_000, times=None)
        assert rclone.run("rcat", f"ssh:{apart}", data=DATA * 10).returncode != 0
    assert not (sshd.home(FULL) / apart).exists() or (sshd.home(FULL) / apart).stat().st_size < len(DATA)
