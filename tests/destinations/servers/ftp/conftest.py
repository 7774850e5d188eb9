"""Destinations on the FTP servers of the tests, each in a folder of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from destinations.backends.ftp import FtpDestination
from tests.destinations.contract.ftp_place import account
from tests.support.servers.ftp.server import FtpServer
from tests.support.servers.proxy import Proxy
from tests.support.servers.running.accounts import FULL

Open = Callable[..., FtpDestination]


@pytest.fixture(params=["vsftpd", "proftpd"])
def server(request: pytest.FixtureRequest) -> FtpServer:
    found: FtpServer = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def root(server: FtpServer, apart: str) -> Path:
    """Return the folder of the destination, as this machine sees it."""
    return server.home(FULL) / apart


@pytest.fixture
def opened(server: FtpServer, apart: str) -> Iterator[Open]:
    """Return a function that opens a destination; `through` is a proxy before the control connection."""
    with ExitStack() as stack:

        def open_(
            user: str = FULL, *, through: Proxy | None = None, established: bool = False, **options: Any
        ) -> FtpDestination:
            address = {} if through is None else {"host": through.host, "port": through.port}
            given = {**account(server, user, **address), "base_path": apart, **options}
            return stack.enter_context(FtpDestination(given, established=established))

        yield open_


@pytest.fixture
def control(server: FtpServer) -> Iterator[Proxy]:
    with server.control_proxy() as proxy:
        yield proxy
