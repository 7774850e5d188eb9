"""Destinations on the WebDAV server of the tests, each in a folder of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from destinations.backends.webdav import WebdavDestination
from tests.destinations.contract.webdav_place import account
from tests.support.servers.proxy import Proxy
from tests.support.servers.running.accounts import FULL
from tests.support.servers.running.server import Server
from tests.support.servers.webdav import Webdav

Open = Callable[..., WebdavDestination]


@pytest.fixture
def root(webdav: Webdav, apart: str) -> Path:
    """Return the folder of the destination, as this machine sees it."""
    return webdav.home(FULL) / apart


@pytest.fixture
def opened(webdav: Webdav, apart: str) -> Iterator[Open]:
    """Return a function that opens a destination, through a proxy where one is given."""
    with ExitStack() as stack:

        def open_(
            user: str = FULL, *, through: Proxy | None = None, established: bool = False, **options: Any
        ) -> WebdavDestination:
            given = {**account(webdav, user), "base_path": apart, **options}
            if through is not None:
                given["url"] = f"https://{through.host}:{through.port}/{user}/"
            return stack.enter_context(WebdavDestination(given, established=established))

        yield open_


@pytest.fixture
def proxy(webdav: Webdav, proxied: Callable[[Server], Proxy]) -> Proxy:
    return proxied(webdav)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a peer that does not answer be given up soon."""
    monkeypatch.setattr(WebdavDestination, "timeout", 0.4)
    monkeypatch.setattr(WebdavDestination, "retry_delays", ())


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WebdavDestination, "retry_delays", (0.0, 0.0, 0.0))
