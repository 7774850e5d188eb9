"""A container of Azurite."""

from contextlib import suppress
from functools import cache
from typing import Any

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import ContainerClient

from tests.destinations.contract.place import Place
from tests.support.servers.objects.azurite import Azurite

CONTAINER = "backups"


@cache
def container_of(server: Azurite, name: str = CONTAINER) -> ContainerClient:
    """Return a client of the SDK that may do everything; the container is there."""
    client = ContainerClient.from_connection_string(server.connection_string(), name, retry_total=0)
    with suppress(ResourceExistsError):
        client.create_container()
    return client


def azure_options(server: Azurite, *, port: int = 0, **options: Any) -> dict[str, Any]:
    """Return the options of a destination, at the port of a proxy where one is given."""
    container_of(server)
    login = {"connection_string": server.connection_string(port or server.port)}
    return {"azure_container": CONTAINER, "timeout": 5} | login | options


class AzurePlace(Place):
    type = "azure"

    def __init__(self, request: pytest.FixtureRequest) -> None:
        super().__init__(request)
        self.server: Azurite = request.getfixturevalue("azurite")
        self.client = container_of(self.server)

    def options(self) -> dict[str, Any]:
        return azure_options(self.server, location=self.folder)

    def plant(self, path: str, data: bytes) -> None:
        # also beside blocks of an upload that is under way
        self.client.upload_blob(f"{self.folder}/{path}", data, overwrite=True)

    def files(self) -> list[str]:
        """Return the names of blobs whose blocks are not committed too."""
        prefix = f"{self.folder}/"
        found = self.client.list_blobs(name_starts_with=prefix, include=["uncommittedblobs"])
        return sorted(blob.name.removeprefix(prefix) for blob in found)

    def read(self, path: str) -> bytes:
        return self.client.download_blob(f"{self.folder}/{path}").readall()
