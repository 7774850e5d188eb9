"""A folder on a real OpenSSH server."""

from pathlib import Path
from typing import Any

import pytest

from tests.destinations.contract.place import Place
from tests.support.servers.running.accounts import FULL
from tests.support.servers.sshd import Sshd


def account(server: Sshd, user: str = FULL, *, port: int | None = None) -> dict[str, Any]:
    """Return the options that log in, without a folder."""
    return {
        "host": server.host,
        "port": port or server.port,
        "username": user,
        "password": server.password,
        "host_key": server.public_host_key("ed25519"),
    }


class SftpPlace(Place):
    type = "sftp"

    def __init__(self, request: pytest.FixtureRequest) -> None:
        super().__init__(request)
        self.server: Sshd = request.getfixturevalue("sshd")
        self.folder = f"{request.getfixturevalue('apart')}-{self.folder}"

    @property
    def root(self) -> Path:
        return self.server.home(FULL) / self.folder

    def options(self) -> dict[str, Any]:
        return {**account(self.server), "base_path": self.folder}

    def plant(self, path: str, data: bytes) -> None:
        target = self.root / path
        missing = [folder for folder in reversed(target.parents) if not folder.exists()]
        for folder in missing:
            folder.mkdir()
            self.server.give(FULL, folder)
        target.write_bytes(data)
        self.server.give(FULL, target)

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()
