"""A folder of the stand-in for Dropbox."""

from typing import Any

import pytest

from tests.destinations.contract.place import Place
from tests.support.servers.dropbox.server import Dropbox


def dropbox_options(server: Dropbox, **options: Any) -> dict[str, Any]:
    login = {"oauth2_refresh_token": server.refresh_token, "app_key": server.app_key, "app_secret": server.app_secret}
    return login | {"verify": str(server.certificates.ca_file), "timeout": 5} | options


class DropboxPlace(Place):
    type = "dropbox"

    def __init__(self, request: pytest.FixtureRequest) -> None:
        super().__init__(request)
        self.server: Dropbox = request.getfixturevalue("dropbox")

    def options(self) -> dict[str, Any]:
        return dropbox_options(self.server, root_path=self.folder)

    def plant(self, path: str, data: bytes) -> None:
        store = self.server.store
        store.commit(store.write(data), {"path": f"/{self.folder}/{path}"})

    def files(self) -> list[str]:
        with self.server.store.lock:
            found = [entry.path for entry in self.server.store.below("", recursive=True) if entry.content]
        begin = f"/{self.folder}/"
        return sorted(path.removeprefix(begin) for path in found if path.startswith(begin))

    def read(self, path: str) -> bytes:
        content = self.server.store.find(f"/{self.folder}/{path}").content
        assert content is not None
        return content.read_bytes()
