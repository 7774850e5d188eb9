"""Append-only through rclone: an account of an SSH server that may add files and not delete them."""

from pathlib import Path

import pytest

from destinations.backends import create_destination
from destinations.backends.rclone import RcloneDestination
from destinations.exceptions import AppendOnly, DestinationUnavailable
from tests.destinations.conftest import files_below, put
from tests.support.servers.rclone import Rclone
from tests.support.servers.running.accounts import APPEND_ONLY
from tests.support.servers.sshd import Sshd

PATH = "shop/manual/backup.tar.gz"


def test_an_archive_is_added_by_an_account_that_may_not_delete(
    sshd: Sshd, tmp_path: Path, apart: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RcloneDestination, "retry_delays", ())
    home = Path(sshd.home(APPEND_ONLY)) / apart
    options = {"remote": f"ssh-append-only:{home}", "config_file": str(Rclone(tmp_path, sshd).config)}
    with create_destination("rclone", options | {"append_only": True}) as destination:
        put(destination, PATH, b"archive")
        with pytest.raises(AppendOnly):
            destination.delete(PATH)
        destination.append_only = False
        with pytest.raises(DestinationUnavailable):
            destination.delete(PATH)
    assert files_below(home) == [PATH]
