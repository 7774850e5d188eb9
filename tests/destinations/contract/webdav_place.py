"""A folder on a real WebDAV server."""

from pathlib import Path
from typing import Any

import pytest

from tests.destinations.contract.place import Place
from tests.support.servers.running.accounts import FULL
from tests.support.servers.webdav import Webdav


def account(server: Webdav, user: str = FULL, *, port: int | None = None) -> dict[str, Any]:
    """Return the options that log in, without a folder; the port may be that of a proxy."""
    url = server.url(user, port)
    trust = {"ca_file": str(server.certificates.ca_file)} if server.certificate else {}
    return {"url": url, "username": user, "password": server.password, **trust}


class WebdavPlace(Place):
    type = "webdav"

    def __init__(self, request: pytest.FixtureRequest) -> None:
        super().__init__(request)
        self.server: Webdav = request.getfixturevalue("webdav")
        self.folder = f"{request.getfixturevalue('apart')}-{self.folder}"

    @property
    def root(self) -> Path:
        return self.server.home(FULL) / self.folder

    def options(self) -> dict[str, Any]:
        return {**account(self.server), "base_path": self.folder}

    def plant(self, path: str, data: bytes) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()
