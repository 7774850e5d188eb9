"""Before an export an upload is begun at each destination, and nothing of it stays."""

from typing import Any

import pytest

from destinations.backends import Destination
from destinations.backends.remote import RemoteDestination
from destinations.backends.remote.calls import RemoteCalls
from destinations.backends.remote.writable import ACTION
from tests.destinations.conftest import put
from tests.destinations.contract.places import Place

PATH = "shop/manual/backup.tar.gz"


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets each step which is asked of a server."""
    taken: list[str] = []
    real = RemoteCalls._once

    def once(self: RemoteCalls, action: str, *rest: Any, **options: Any) -> object:
        taken.append(action)
        return real(self, action, *rest, **options)

    monkeypatch.setattr(RemoteCalls, "_once", once)
    return taken


@pytest.mark.parametrize("is_established", [False, True])
def test_the_try_to_write_takes_few_steps_and_leaves_nothing(
    place: Place, destination: Destination, steps: list[str], is_established: bool
) -> None:
    if is_established:
        place.plant(PATH, b"x")
        destination.established = True
    assert destination.require_writable("shop/manual", "t1") == ""
    assert steps.count(ACTION) == isinstance(destination, RemoteDestination)
    assert len(steps) <= 3
    assert place.files() == ([PATH] if is_established else [])
    assert [file.path for file in destination.list()] == place.files()
    assert list(destination.list_partials()) == list(destination.list_hidden()) == []
    # and it is in the way of no upload of that backup
    put(destination, "shop/manual/other.tar", b"y")


def test_an_append_only_destination_gets_nothing_that_would_have_to_be_deleted(
    place: Place, destination: Destination
) -> None:
    destination.append_only = True
    assert destination.require_writable("shop/manual", "t1") == ""
    assert place.files() == []
    assert list(destination.list_partials()) == []
