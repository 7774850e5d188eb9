"""An instance with modes of every kind, and umasks."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.databases.sqlite_files import make_database
from tests.support.processes.unprivileged_user import NOBODY
from tests.support.programs import missing
from tests.support.restores.modes import MODES
from tests.support.site_fixtures import Declare

SAFE = """\
[safe]
kind = "generic"
root = "{root}"
[safe.components.key]
kind = "files"
path = "conf/private/server.key"
[safe.components.run]
kind = "files"
path = "conf/run.sh"
[safe.components.users]
kind = "sqlite"
path = "db/users.sqlite3"
[safe.components.log]
kind = "sqlite"
path = "db/log.db"
[safe.components.tree]
kind = "files"
path = "files/tree"
"""


@pytest.fixture(params=[0o000, 0o077], ids=["umask-000", "umask-077"])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.fixture
def safe(tmp_path: Path, declare: Declare) -> Path:
    """Return the root of an instance with a component of every kind, each with a mode and owner of its own."""
    if os.geteuid() != 0:
        missing("only root can give files away")
    root = tmp_path / "safe"
    for folder in ("conf/private", "db", "files/tree"):
        (root / folder).mkdir(parents=True)
    (root / "conf/private/server.key").write_text("key")
    (root / "conf/run.sh").write_text("#!/bin/sh\n")
    (root / "files/tree/open.txt").write_text("open")
    (root / "files/tree/run").write_text("run")
    make_database(root / "db/users.sqlite3")
    make_database(root / "db/log.db", journal="WAL")
    for name, mode in MODES.items():
        os.chown(root / name, NOBODY, 1)
        (root / name).chmod(mode)
    declare(SAFE.format(root=root))
    return root
