from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.storage.blob import ContainerClient, generate_container_sas

from destinations.backends import create_destination
from destinations.backends.azure import AzureDestination, blocks
from tests.destinations.contract.azure_place import CONTAINER, azure_options, container_of
from tests.support.servers.objects.azurite import Azurite
from tests.support.servers.proxy import Proxy
from tests.support.servers.running.server import Server

Open = Callable[..., Any]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let retries wait for no time, and small files have several blocks."""
    monkeypatch.setattr(AzureDestination, "retry_delays", (0, 0, 0, 0))
    monkeypatch.setattr(blocks, "LEAST_BLOCK_BYTES", 1024 * 1024)


@pytest.fixture
def container(azurite: Azurite) -> ContainerClient:
    return container_of(azurite)


@pytest.fixture
def proxy(azurite: Azurite, proxied: Callable[[Server], Proxy]) -> Proxy:
    return proxied(azurite)


@pytest.fixture
def open_azure(azurite: Azurite, apart: str) -> Iterator[Open]:
    """Return a function that opens a destination with an empty folder of its own, by a proxy where one is given."""
    opened: list[Any] = []

    def open_one(proxy: Proxy | None = None, *, established: bool = False, **options: Any) -> Any:
        given = azure_options(azurite, port=proxy.port if proxy else 0, location=apart) | options
        opened.append(create_destination("azure", given, established=established))
        return opened[-1]

    yield open_one
    for destination in opened:
        destination.close()


@pytest.fixture
def signed(azurite: Azurite) -> Callable[..., dict[str, Any]]:
    """Return a function that makes the options of a login by a signature with some rights."""

    def options(rights: str = "rwdlc", *, begin: int = -60, end: int = 60) -> dict[str, Any]:
        now = datetime.now(UTC)
        token = generate_container_sas(
            azurite.account, CONTAINER, account_key=azurite.account_key, permission=rights,
            start=now + timedelta(minutes=begin), expiry=now + timedelta(minutes=end),
        )  # fmt: skip
        login = {"account_name": azurite.account, "sas_token": token, "endpoint_url": azurite.url}
        return {"connection_string": "", **login}

    return options
