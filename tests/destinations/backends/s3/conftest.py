from collections.abc import Callable, Iterator
from typing import Any

import pytest

from destinations.backends import Destination, create_destination
from destinations.backends.s3 import S3Destination, multipart
from tests.destinations.backends.s3.buckets import s3_client, s3_options
from tests.support.servers.objects.moto import Moto
from tests.support.servers.proxy import Proxy
from tests.support.servers.running.server import Server

Open = Callable[..., Destination]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let retries wait for no time, and small files have several parts."""
    monkeypatch.setattr(S3Destination, "retry_delays", (0, 0, 0, 0))
    # the store allows no smaller part but the last
    monkeypatch.setattr(multipart, "LEAST_PART_BYTES", 5 * 1024 * 1024)


@pytest.fixture
def bucket(moto: Moto) -> Any:
    """Return a client of boto3 whose user may do everything."""
    return s3_client(moto)


@pytest.fixture
def proxy(moto: Moto, proxied: Callable[[Server], Proxy]) -> Proxy:
    return proxied(moto)


@pytest.fixture
def open_s3(moto: Moto, apart: str) -> Iterator[Open]:
    """Return a function that opens a destination with an empty folder of its own, by a proxy where one is given."""
    opened: list[Destination] = []

    def open_one(proxy: Proxy | None = None, **options: Any) -> Destination:
        port = proxy.port if proxy else 0
        opened.append(create_destination("s3", s3_options(moto, port=port, location=apart) | options))
        return opened[-1]

    yield open_one
    for destination in opened:
        destination.close()
