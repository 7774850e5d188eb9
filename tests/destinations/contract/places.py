"""The types and servers that the contract is run against: a new one is a subclass of `Place` and a line in `PLACES`."""

import itertools
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import pytest

from destinations.backends import TYPES, Destination, create_destination
from tests.support.memory_remote import SERVERS, MemoryRemote

_numbers = itertools.count(1)


class Place(ABC):
    """An empty destination of one type on a real server, and a second way to what lies in it."""

    type: str
    # whether its server may list and read, but neither refuse an existing name nor publish in one step
    hides_parts = True

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.request = request
        # of this test alone: servers live longer than a test
        self.folder = f"place-{next(_numbers)}"

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """Return the options of the destination."""

    def open(self, *, established: bool = False, **options: Any) -> Destination:
        return create_destination(self.type, self.options() | options, established=established)

    @abstractmethod
    def plant(self, path: str, data: bytes) -> None:
        """Store a file there by other means than the destination, such as one of another program."""

    @abstractmethod
    def files(self) -> list[str]:
        """Return the paths of all files there, temporary ones too, by other means than the destination."""

    @abstractmethod
    def read(self, path: str) -> bytes:
        """Return the bytes of the file, by other means than the destination."""


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
    "local": LocalPlace,
    "memory": MemoryPlace,
}
