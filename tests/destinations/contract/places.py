"""The types and servers that the contract is run against: a new one is a subclass of `Place` and a line in `PLACES`."""

from pathlib import Path
from typing import Any

import pytest

from destinations.backends import TYPES
from tests.destinations.contract.azure_place import AzurePlace
from tests.destinations.contract.dropbox_place import DropboxPlace
from tests.destinations.contract.ftp_place import FtpPlace, ProftpdPlace
from tests.destinations.contract.gcs_place import GcsPlace
from tests.destinations.contract.place import Place
from tests.destinations.contract.rclone_place import RclonePlace
from tests.destinations.contract.s3_place import S3Place
from tests.destinations.contract.sftp_place import SftpPlace
from tests.destinations.contract.storage_place import StoragePlace
from tests.destinations.contract.webdav_place import WebdavPlace
from tests.support.memory_remote import SERVERS, MemoryRemote

__all__ = ["PLACES", "Place"]


class LocalPlace(Place):
    type = "local"

    def __init__(self, request: pytest.FixtureRequest) -> None:
        super().__init__(request)
        self.root: Path = request.getfixturevalue("backup_root")

    def options(self) -> dict[str, Any]:
        return {"path": self.folder}

    def plant(self, path: str, data: bytes) -> None:
        target = self.root / self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def files(self) -> list[str]:
        base = self.root / self.folder
        return sorted(str(path.relative_to(base)) for path in base.rglob("*") if path.is_file())

    def read(self, path: str) -> bytes:
        return (self.root / self.folder / path).read_bytes()


class MemoryPlace(Place):
    """What all remote types share, without a server."""

    type = "memory"

    def __init__(self, request: pytest.FixtureRequest) -> None:
        super().__init__(request)
        request.getfixturevalue("monkeypatch").setitem(TYPES, self.type, MemoryRemote)
        self.server = SERVERS.setdefault("contract", {})
        request.addfinalizer(self.server.clear)

    def options(self) -> dict[str, Any]:
        return {"server": "contract", "path": self.folder}

    def plant(self, path: str, data: bytes) -> None:
        self.server[f"{self.folder}/{path}"] = data

    def files(self) -> list[str]:
        own = f"{self.folder}/"
        return sorted(key.removeprefix(own) for key in self.server if key.startswith(own))

    def read(self, path: str) -> bytes:
        return self.server[f"{self.folder}/{path}"]


PLACES: dict[str, type[Place]] = {
    "gcs": GcsPlace,
    "ftp vsftpd": FtpPlace,
    "ftp proftpd": ProftpdPlace,
    "local": LocalPlace,
    "s3": S3Place,
    "azure": AzurePlace,
    "dropbox": DropboxPlace,
    "memory": MemoryPlace,
    "rclone": RclonePlace,
    "sftp": SftpPlace,
    "storage": StoragePlace,
    "webdav": WebdavPlace,
}
