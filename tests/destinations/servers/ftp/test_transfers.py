"""Data connections of FTP, and the temporary names of uploads."""

import hashlib
import io
import os
from pathlib import Path

import pytest

from destinations.backends.base import UploadState
from destinations.backends.ftp import FtpDestination
from destinations.exceptions import ConnectionLost, DestinationError
from tests.destinations.conftest import files_below, put
from tests.destinations.servers.ftp.conftest import Open
from tests.support.servers.ftp.server import FtpServer
from tests.support.servers.ftp.vsftpd import Vsftpd
from tests.support.servers.proxy import Proxy
from tests.support.servers.running.accounts import APPEND_ONLY, FULL

MIB = 1024 * 1024
PATH = "shop/manual/backup.tar.gz"
DATA = os.urandom(3 * MIB)
DIGEST = hashlib.sha256(DATA).hexdigest()


def put_data(destination: FtpDestination, state: UploadState | None = None) -> None:
    destination.put(io.BytesIO(DATA), PATH, size=len(DATA), token="t1", sha256=DIGEST, state=state)


def test_a_partial_upload_that_is_locked_gets_a_name_of_its_own(
    vsftpd: Vsftpd, apart: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session of vsftpd that does not know that its client is gone keeps the file locked."""
    monkeypatch.setattr(FtpDestination, "retry_delays", (0.0,))
    monkeypatch.setattr(FtpDestination, "timeout", 0.5)
    root = vsftpd.home(FULL) / apart
    state = UploadState({}, lambda data: None)
    with vsftpd.control_proxy() as control, vsftpd.data_proxy() as data:
        options = {"host": control.host, "port": control.port, "ca_file": str(vsftpd.certificates.ca_file)}
        login = {"username": FULL, "password": vsftpd.password, "base_path": apart}
        with FtpDestination({**options, **login}) as destination:
            # the first data connection goes mute, and both of its ends stay open at the server
            control.mute(up=10**9)
            data.mute(up=MIB, times=1)
            put_data(destination, state)
            # closed here, the one that is mute is still open there
            assert data.open >= 1
        assert (root / PATH).read_bytes() == DATA
        # and the second name, which holds the token too, was tried
        assert state.data["parts"] == [f"{PATH}.1.t1.part"]
        assert files_below(root) == [PATH]


def test_without_encryption_a_byte_that_changes_is_found_when_it_is_read_back(vsftpd_plain: Vsftpd, apart: str) -> None:
    root = vsftpd_plain.home(FULL) / apart
    with vsftpd_plain.control_proxy() as control, vsftpd_plain.data_proxy() as data:
        address = {"host": control.host, "port": control.port, "encryption": "none"}
        login = {"username": FULL, "password": vsftpd_plain.password, "base_path": apart}
        with FtpDestination({**address, **login}) as destination:
            data.flip(up=MIB)
            with pytest.raises(DestinationError, match="SHA-256"):
                put_data(destination)
            assert files_below(root) == []


def test_ports_of_data_that_nobody_answers_at_are_named(
    opened: Open, control: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FtpDestination, "retry_delays", ())
    # the way to the server has no proxy for data: nothing listens at its ports
    with pytest.raises(ConnectionLost, match="data connection") as caught:
        put_data(opened(through=control))
    assert "passive" in caught.value.hint


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


def test_every_partial_upload_of_a_backup_is_swept(opened: Open, root: Path, server: FtpServer) -> None:
    destination = opened()
    put(destination, "shop/manual/before.tar", b"x")
    for name in ("backup.tar.gz.t1.part", "backup.tar.gz.3.t1.part", "backup.tar.gz.t2.part"):
        (root / "shop" / "manual" / name).touch()
        server.give(FULL, root / "shop" / "manual" / name)
    assert len(destination.sweep("t1")) == 2
    assert files_below(root) == ["shop/manual/backup.tar.gz.t2.part", "shop/manual/before.tar"]
