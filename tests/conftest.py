"""What all tests share: their distribution over processes, where their files are, and plugins with fixtures."""

import gc
import importlib
import os
import sqlite3
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from django.db import connection
from django.test import TransactionTestCase
from pytest_django import DjangoDbBlocker
from xdist.remote import Producer

from backups.archive.age import passphrase
from tests.support.distribution import LONG, FoldersTogether
from tests.support.memory import folder_in_memory
from tests.support.processes import prepared

pytest_plugins = [
    "tests.support.site_fixtures",
    "tests.support.archives.encryption_fixtures",
    "tests.support.restores.restorable_instances",
    "tests.support.servers.fixtures",
]
# A key from a passphrase takes a millisecond, not a second; what is written opens in any age program all the same.
passphrase.WORK_FACTOR = 10
LOCKED_SECONDS = 20
# pytest makes its folder for `tmp_path` there, unless it is given one; programs that tests start keep their own TMPDIR.
# A run of the whole suite needs less than a quarter of the room.
if in_memory := folder_in_memory(4 << 30):
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(in_memory))


@pytest.fixture(scope="session")
def django_db_setup(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Keep copies of the database of the tests as `migrate` made it: for the sites that tests make, and for itself."""
    path = tmp_path_factory.mktemp("migrated") / "backupsite.sqlite3"
    with closing(sqlite3.connect(":memory:")) as migrated:
        with django_db_blocker.unblock(), closing(sqlite3.connect(path)) as copy:
            connection.ensure_connection()
            for target in (copy, migrated):
                connection.connection.backup(target)

        def restore(_: TransactionTestCase) -> None:
            connection.ensure_connection()
            until = time.monotonic() + LOCKED_SECONDS
            migrated.backup(connection.connection, progress=lambda *_: _require_time(until))

        # after a test with real transactions; Django's flush empties the tables, and makes all permissions anew
        TransactionTestCase._fixture_teardown = restore  # type: ignore[attr-defined]
        yield path


def _require_time(until: float) -> None:
    assert time.monotonic() < until, "a test has left a transaction open"


@pytest.fixture(scope="session")
def migrated_database(django_db_setup: Path) -> Path:
    """Return a SQLite database in which `migrate` has nothing to do, to be copied: migrating takes 3 s of CPU."""
    with closing(sqlite3.connect(django_db_setup)) as database:
        empty = database.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)
    if empty:
        # no test of this run needs a database of its own, so that pytest-django made none
        home = {"BACKUPSITE_HOME": str(django_db_setup.parent), "PATH": os.environ["PATH"]}
        assert prepared.run(["manage.py", "migrate", "-v0"], home).returncode == 0
    return django_db_setup


@pytest.fixture
def disk_path() -> Iterator[Path]:
    """Return a folder of the disk: a module that is about one has a `tmp_path` of its own that returns this."""
    with tempfile.TemporaryDirectory(prefix="backupsite-tests-") as folder:
        yield Path(folder)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    # modules and tests are made once and stay: collecting garbage meanwhile takes a quarter of the time
    gc.disable()
    try:
        if session.config.args_source is pytest.Config.ArgsSource.TESTPATHS:
            import_in_turn(session.config.rootpath)
        return (yield)
    finally:
        gc.freeze()
        # by default it looks at all that is young after each 700 objects, of which a page makes many thousands
        gc.set_threshold(50_000, 20, 20)
        gc.enable()


def import_in_turn(root: Path) -> None:
    """Import all test modules; of the processes of pytest-xdist each begins with others.

    pytest compiles a module with its own asserts once and keeps that: in the same order all would do it side by side.
    """
    number, count = (
        os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:],
        int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1)),
    )
    names = sorted(".".join(path.relative_to(root).with_suffix("").parts) for path in root.glob("tests/**/test_*.py"))
    first = len(names) * int(number) // int(count) % len(names)
    for name in names[first:] + names[:first]:
        # the collection says what is wrong with it
        with suppress(Exception, pytest.skip.Exception):
            importlib.import_module(name)


@pytest.hookimpl(optionalhook=True)  # without pytest-xdist there is no such hook
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FoldersTogether | None:
    return FoldersTogether(config, log) if config.getvalue("dist") == "loadgroup" else None
