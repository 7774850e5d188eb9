"""A place that the contract is run against."""

import itertools
from abc import ABC, abstractmethod
from typing import Any

import pytest

from destinations.backends import Destination, create_destination

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
