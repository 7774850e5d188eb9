"""A service whose tree holds places of the site, and mounts that go with the test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.support.restores.own_places import Host


@pytest.fixture
def host(tmp_path: Path, home: Path, declare: Callable[[str], None], settings: Settings) -> Host:
    return Host(tmp_path / "srv", declare, settings)


@pytest.fixture
def mounted() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack
