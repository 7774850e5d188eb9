"""Folders on real FTP servers: vsftpd and proftpd, both of which require that TLS sessions are reused."""

from pathlib import Path
from typing import Any

import pytest

from tests.destinations.contract.place import Place
from tests.support.servers.ftp.server import FtpServer
from tests.support.servers.running.accounts import FULL


def account(server: FtpServer, user: str = FULL, **address: Any) -> dict[str, Any]:
    """Return the options that log in, without a folder; the proxy's host and port may be given."""
    encryption = {"plain": "none"}.get(server.mode, server.mode)
    options = {
        "host": server.host,
        "port": server.port,
        "username": user,
        "password": server.password,
        "encryption": encryption,
    }
    trust = {} if server.mode == "plain" else {"ca_file": str(server.certificates.ca_file)}
    return {**options, **trust, **address}


class FtpPlace(Place):
    type = "ftp"
    fixture = "vsftpd"

    def __init__(self, request: pytest.FixtureRequest) -> None:
        super().__init__(request)
        self.server: FtpServer = request.getfixturevalue(self.fixture)
        self.folder = f"{request.getfixturevalue('apart')}-{self.folder}"

    @property
    def root(self) -> Path:
        return self.server.home(FULL) / self.folder

    def options(self) -> dict[str, Any]:
        return {**account(self.server), "base_path": self.folder}

    def plant(self, path: str, data: bytes) -> None:
        target = self.root / path
        for folder in [folder for folder in reversed(target.parents) if not folder.exists()]:
            folder.mkdir()
            self.server.give(FULL, folder)
        target.write_bytes(data)
        self.server.give(FULL, target)

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()


class ProftpdPlace(FtpPlace):
    fixture = "proftpd"
