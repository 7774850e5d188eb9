"""What all tests share: their distribution over processes, and plugins with fixtures."""

import pytest
from xdist.remote import Producer

from tests.support.distribution import FoldersTogether

pytest_plugins = [
    "tests.support.site_fixtures",
    "tests.support.archives.encryption_fixtures",
    "tests.support.restores.restorable_instances",
]


@pytest.hookimpl(optionalhook=True)  # without pytest-xdist there is no such hook
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FoldersTogether | None:
    return FoldersTogether(config, log) if config.getvalue("dist") == "loadgroup" else None
