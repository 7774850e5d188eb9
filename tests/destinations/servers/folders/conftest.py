"""Destinations of every type that is a folder on a server, each in a folder of its own."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from destinations.backends.remote import FolderDestination
from tests.destinations.servers.folders.place import PLACES, FolderPlace


@pytest.fixture(params=sorted(PLACES))
def place(request: pytest.FixtureRequest) -> Iterator[FolderPlace]:
    with ExitStack() as stack:
        yield PLACES[request.param](request, stack)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a peer that does not answer be given up soon."""
    monkeypatch.setattr(FolderDestination, "timeout", 0.3)
    monkeypatch.setattr(FolderDestination, "retry_delays", ())


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FolderDestination, "retry_delays", (0.0, 0.0, 0.0))
