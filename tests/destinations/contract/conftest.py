from collections.abc import Iterator

import pytest

from destinations.backends import Destination
from tests.destinations.contract.places import PLACES, Place


@pytest.fixture(params=sorted(PLACES))
def place(request: pytest.FixtureRequest) -> Place:
    return PLACES[request.param](request)


@pytest.fixture
def destination(place: Place) -> Iterator[Destination]:
    with place.open() as destination:
        yield destination
