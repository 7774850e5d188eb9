"""Destinations on the SSH server of the tests, each in a folder of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from destinations.backends.sftp import SftpDestination
from tests.destinations.contract.sftp_place import account
from tests.support.servers.proxy import Proxy
from tests.support.servers.running.accounts import FULL
from tests.support.servers.running.server import Server
from tests.support.servers.sshd import Sshd

Open = Callable[..., SftpDestination]


@pytest.fixture
def root(sshd: Sshd, apart: str) -> Path:
    """Return the folder of the destination, as this machine sees it."""
    return sshd.home(FULL) / apart


@pytest.fixture
def opened(sshd: Sshd, apart: str) -> Iterator[Open]:
    """Return a function that opens a destination; a port is that of a proxy before the server."""
    with ExitStack() as stack:

        def open_(user: str = FULL, *, port: int | None = None, established: bool = False, **options: Any) -> Any:
            given = {**account(sshd, user, port=port), "base_path": apart, **options}
            return stack.enter_context(SftpDestination(given, established=established))

        yield open_


@pytest.fixture
def proxy(sshd: Sshd, proxied: Callable[[Server], Proxy]) -> Proxy:
    return proxied(sshd)
