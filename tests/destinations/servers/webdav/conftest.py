"""Destinations on the WebDAV server of the tests, each in a folder of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from destinations.backends.webdav import WebdavDestination
from tests.destinations.contract.webdav_place import account
from tests.support.servers.running.accounts import FULL
from tests.support.servers.webdav import Webdav

Open = Callable[..., WebdavDestination]


@pytest.fixture
def root(webdav: Webdav, apart: str) -> Path:
    """Return the folder of the destination, as this machine sees it."""
    return webdav.home(FULL) / apart


@pytest.fixture
def opened(webdav: Webdav, apart: str) -> Iterator[Open]:
    """Return a function that opens a destination."""
    with ExitStack() as stack:

        def open_(user: str = FULL, **options: Any) -> WebdavDestination:
            return stack.enter_context(WebdavDestination({**account(webdav, user), "base_path": apart, **options}))

        yield open_
