"""Each command to a server is done, and its answer is lost or does not come: that costs a try, and no more."""

import io
import os
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import (
    FXP_CLOSE,
    FXP_LSTAT,
    FXP_MKDIR,
    FXP_OPEN,
    FXP_OPENDIR,
    FXP_READ,
    FXP_READDIR,
    FXP_REMOVE,
    FXP_RENAME,
    FXP_WRITE,
)
from asyncssh.sftp import SFTPClientHandler

from destinations.backends.ftp.control import Control
from destinations.backends.remote import FolderDestination
from destinations.backends.sftp.folder import Folder
from destinations.backends.sftp.session import Session
from tests.destinations.conftest import files_below, put
from tests.destinations.servers.folders.place import FolderPlace

NEW, OLD, OTHER = (f"shop/{name}/backup.tar.gz" for name in ("new", "old", "other"))
DATA = os.urandom(1024)
# these may take long: a peer that is mute is found by the watch over the bytes that move, see `test_cuts`, or by the
# keepalive of the connection
LONG = {FXP_READ, FXP_WRITE, FXP_CLOSE, b"fsync@openssh.com"}
# within which a peer that is mute is given up here
SECONDS = 0.15
DONE: dict[str, set[Any]] = {
    "sshd": {FXP_OPEN, FXP_MKDIR, FXP_LSTAT, FXP_OPENDIR, FXP_READDIR, FXP_RENAME, FXP_REMOVE, *LONG},
    "vsftpd": {"CWD", "MKD", "SITE", "STOR", "STOR ended", "SIZE", "RETR", "RNFR", "RNTO", "MLSD", "DELE"},
}
# of a connection, which `test_cuts` is about
LOGIN = {"", "AUTH", "USER", "PASS", "PBSZ", "PROT", "FEAT", "OPTS", "PWD", b"limits@openssh.com"}


class Commands:
    """Lets the answer to the first command of each name be lost, or not come: the server has done what it was asked."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.seen = set[Any]()

    def has_fault(self, name: Any) -> bool:
        is_first = name not in self.seen and name not in LOGIN
        self.seen.add(name)
        return is_first


@pytest.fixture(params=["lost", "mute"])
def commands(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Commands:
    commands = Commands(request.param)
    # more than the faults: a slow machine may time out too
    monkeypatch.setattr(FolderDestination, "retry_delays", (0.0,) * 60)
    make, wait = SFTPClientHandler._make_request, Session.wait
    put_line, answer = Control.putline, Control.getresp
    verbs: dict[Control, str] = {}

    async def make_request(self: SFTPClientHandler, kind: Any, *args: bytes) -> object:
        channel: Any = self._writer.channel if self._writer is not None else None
        connection = channel and channel.get_connection()
        try:
            return await make(self, kind, *args)
        finally:
            if connection is not None and commands.has_fault(kind):
                if commands.fault == "mute" and kind not in LONG:
                    await self._loop.create_future()
                connection.abort()
                raise asyncssh.SFTPConnectionLost("the connection was cut")

    def putline(self: Control, line: str) -> None:
        verbs[self] = line.partition(" ")[0]
        put_line(self, line)

    def getresp(self: Control) -> str:
        # a transfer has a second answer
        verb, verbs[self] = verbs.get(self, ""), f"{verbs.get(self, '')} ended"
        try:
            return answer(self)
        finally:
            if commands.has_fault(verb):
                if commands.fault == "mute":
                    self.sock.settimeout(min(self.sock.gettimeout(), SECONDS))  # type: ignore[union-attr, type-var]
                    answer(self)
                self.sockets.close_all()
                raise EOFError

    monkeypatch.setattr(SFTPClientHandler, "_make_request", make_request)
    # a request without a timeout stays without one
    monkeypatch.setattr(Session, "wait", lambda self, future, timeout=None: wait(self, future, timeout and SECONDS))
    monkeypatch.setattr(Folder, "_timeout", SECONDS)
    monkeypatch.setattr(Control, "putline", putline)
    monkeypatch.setattr(Control, "getresp", getresp)
    return commands


@pytest.mark.parametrize("place", ["sftp", "vsftpd"], indirect=True)
def test_commands_without_an_answer_cost_tries(place: FolderPlace, commands: Commands) -> None:
    for path in (OLD, OTHER):
        place.write(path, DATA)
    with place.open(established=True) as destination:
        put(destination, NEW, DATA)
        sink = io.BytesIO()
        destination.get(OLD, sink)
        assert sink.getvalue() == DATA
        destination.free_space()
        assert [file.path for file in destination.list()] == [NEW, OLD, OTHER]
        assert destination.require_writable("shop/tried", "t") == ""
        destination.delete(OTHER)
    # making folders, publishing and deleting among them
    assert commands.seen >= DONE[place.fixture]
    assert files_below(place.root()) == [NEW, OLD]
    assert (place.root() / NEW).read_bytes() == DATA
