"""What all tests share: their distribution over processes, where their files are, and plugins with fixtures."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from xdist.remote import Producer

from tests.support.distribution import FoldersTogether
from tests.support.memory import folder_in_memory

pytest_plugins = [
    "tests.support.site_fixtures",
    "tests.support.archives.encryption_fixtures",
    "tests.support.restores.restorable_instances",
    "tests.support.servers.fixtures",
]
# pytest makes its folder for `tmp_path` there, unless it is given one; programs that tests start keep their own TMPDIR.
# A run of the whole suite needs less than a quarter of the room.
if in_memory := folder_in_memory(4 << 30):
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(in_memory))


@pytest.fixture
def disk_path() -> Iterator[Path]:
    """Return a folder of the disk: a module that is about one has a `tmp_path` of its own that returns this."""
    with tempfile.TemporaryDirectory(prefix="backupsite-tests-") as folder:
        yield Path(folder)


@pytest.hookimpl(optionalhook=True)  # without pytest-xdist there is no such hook
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FoldersTogether | None:
    return FoldersTogether(config, log) if config.getvalue("dist") == "loadgroup" else None
