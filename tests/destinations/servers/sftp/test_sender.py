"""Blocks on their way through the library: whole, in their places, also while keys are exchanged."""

import os
from pathlib import Path
from typing import Any

import pytest

from destinations.backends.sftp import SftpDestination
from destinations.backends.sftp.sender import Sender
from tests.destinations.conftest import put
from tests.destinations.servers.sftp.conftest import Open

PATH = "shop/manual/backup.tar.gz"
MIB = 1024 * 1024
# more than the window of the server, and no whole number of requests or packets
DATA = os.urandom(3 * MIB + 4321)


def test_an_upload_is_sent_whole_while_keys_are_exchanged(
    opened: Open, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination: SftpDestination = opened()
    session = destination._opened().session
    session.ready()
    connection: Any = session.connection
    exchanges, batches = [], []
    begin, send = connection._send_kexinit, Sender._send_batch
    monkeypatch.setattr(connection, "_rekey_bytes", MIB)
    monkeypatch.setattr(connection, "_send_kexinit", lambda: exchanges.append(1) or begin())
    monkeypatch.setattr(Sender, "_send_batch", lambda self: batches.append(1) or send(self))
    put(destination, PATH, DATA)
    assert (root / PATH).read_bytes() == DATA
    assert len(exchanges) >= 2
    # with another version of the library it would be the library that sends all of it
    assert len(batches) > 3


@pytest.mark.parametrize("cipher", ["aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"])
def test_an_upload_is_sent_whole_by_other_ciphers(
    opened: Open, root: Path, monkeypatch: pytest.MonkeyPatch, cipher: str
) -> None:
    monkeypatch.setattr("destinations.backends.sftp.login.CIPHERS", cipher)
    put(opened(), PATH, DATA)
    assert (root / PATH).read_bytes() == DATA


def test_another_version_of_the_library_sends_by_itself(
    opened: Open, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("destinations.backends.sftp.sender._CHANNEL", ("_no_such_part",))
    put(opened(), PATH, DATA)
    assert (root / PATH).read_bytes() == DATA
