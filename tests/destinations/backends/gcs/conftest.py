from collections.abc import Callable, Iterator
from typing import Any

import pytest

from destinations.backends import Destination, create_destination
from destinations.backends.gcs import GcsDestination
from tests.destinations.backends.gcs.buckets import gcs_bucket, gcs_options
from tests.support.servers.objects.gcs import Gcs
from tests.support.servers.proxy import Proxy
from tests.support.servers.running.server import Server

Open = Callable[..., Destination]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let retries wait for no time, and small files have several requests."""
    monkeypatch.setattr(GcsDestination, "retry_delays", (0, 0, 0, 0))
    monkeypatch.setattr("destinations.backends.gcs.sessions.CHUNK_BYTES", 1024 * 1024)


@pytest.fixture
def bucket(gcs: Gcs) -> Any:
    return gcs_bucket(gcs)


@pytest.fixture
def proxy(gcs: Gcs, proxied: Callable[[Server], Proxy]) -> Proxy:
    return proxied(gcs)


@pytest.fixture
def open_gcs(gcs: Gcs, apart: str) -> Iterator[Open]:
    """Return a function that opens a destination with an empty folder of its own, by a proxy where one is given."""
    opened: list[Destination] = []

    def open_one(proxy: Proxy | None = None, **options: Any) -> Destination:
        port = proxy.port if proxy else None
        opened.append(create_destination("gcs", gcs_options(gcs, port=port, location=apart) | options))
        return opened[-1]

    yield open_one
    for destination in opened:
        destination.close()
