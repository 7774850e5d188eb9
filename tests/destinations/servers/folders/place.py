"""A folder on a server of the tests, with proxies before it: what all types of folders have in common."""

from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from destinations.backends.ftp import FtpDestination
from destinations.backends.remote import FolderDestination
from destinations.backends.sftp import SftpDestination
from destinations.backends.webdav import WebdavDestination
from tests.destinations.contract import ftp_place, sftp_place, webdav_place
from tests.support.servers.proxy import Proxy
from tests.support.servers.running.accounts import FULL

AnyFolder = FolderDestination[Any]


class FolderPlace:
    """An empty folder in the home of each account, and the same server behind a proxy."""

    fixture: str
    type: type[AnyFolder]
    # how many files of others a listing has to stand
    foreign = 500
    # a name may be any bytes
    takes_bytes = True
    # what a download that goes on may fetch again, in bytes
    fetched_again = 1 << 20

    def __init__(self, request: pytest.FixtureRequest, stack: ExitStack) -> None:
        self.server: Any = request.getfixturevalue(self.fixture)
        self.folder: str = request.getfixturevalue("apart")
        self._stack = stack

    def options(self, user: str) -> dict[str, Any]:
        """Return the options that log in."""
        raise NotImplementedError

    def behind(self, proxy: Proxy, user: str) -> dict[str, Any]:
        """Return the options that differ where the proxy stands before the server."""
        return {"host": proxy.host, "port": proxy.port}

    def open(self, user: str = FULL, *, behind: bool = False, established: bool = False, **options: Any) -> AnyFolder:
        """Open the folder of an account, `behind` the proxies or directly."""
        way = self.behind(self.control, user) if behind and self.data else {}
        given = {**self.options(user), "base_path": self.folder, **way, **options}
        return self._stack.enter_context(self.type(given, established=established))

    @cached_property
    def control(self) -> Proxy:
        """The proxy before the port of the server."""
        return self._stack.enter_context(Proxy(self.server.port, self.server.host))

    @property
    def data(self) -> Proxy:
        """The proxy that files and listings pass."""
        return self.control

    def root(self, user: str = FULL) -> Path:
        """Return the folder as this machine sees it."""
        return Path(self.server.home(user)) / self.folder

    def make(self, user: str = FULL, path: str = "") -> Path:
        """Make a folder below that of the destination, with those above it."""
        target = self.root(user) / path
        for folder in [*reversed(target.parents), target]:
            if not folder.exists():
                folder.mkdir()
                self.server.give(user, folder)
        return target

    def write(self, path: str, data: bytes, user: str = FULL) -> Path:
        """Store a file as another program does."""
        target = self.root(user) / path
        self.make(user, path.rpartition("/")[0])
        target.write_bytes(data)
        self.server.give(user, target)
        return target


class SftpFolder(FolderPlace):
    fixture, type = "sshd", SftpDestination
    foreign = 3000
    # blocks that were under way
    fetched_again = 3 << 20

    def options(self, user: str) -> dict[str, Any]:
        return sftp_place.account(self.server, user)


class WebdavFolder(FolderPlace):
    fixture, type = "webdav", WebdavDestination
    takes_bytes = False

    def options(self, user: str) -> dict[str, Any]:
        return webdav_place.account(self.server, user)

    def behind(self, proxy: Proxy, user: str) -> dict[str, Any]:
        return {"url": f"https://{proxy.host}:{proxy.port}/{user}/"}


class VsftpdFolder(FolderPlace):
    fixture, type = "vsftpd", FtpDestination

    def options(self, user: str) -> dict[str, Any]:
        return ftp_place.account(self.server, user)

    @cached_property
    def _data(self) -> Proxy:
        proxy: Proxy = self._stack.enter_context(self.server.data_proxy())
        return proxy

    @property
    def data(self) -> Proxy:
        return self._data


class ProftpdFolder(VsftpdFolder):
    fixture = "proftpd"


PLACES = {"sftp": SftpFolder, "vsftpd": VsftpdFolder, "proftpd": ProftpdFolder, "webdav": WebdavFolder}
