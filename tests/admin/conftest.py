import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from backups.instances.kinds import KINDS
from backups.models import BackupExecution, BackupSchedule, RestoreExecution
from backups.runs.recovery import heartbeats
from backups.service.backup.run import run_backup
from backups.service.backup.start import start_backup
from backups.service.monitoring.verdict.site import OWN_KIND
from backupsite.apps import register_pages
from tests.support.restores.component_restores import change, restore
from tests.support.rows import a_destination


@pytest.fixture(scope="session", autouse=True)
def pages() -> None:
    """The pages are registered, also for a test that asks for the list of them before it opens any."""
    register_pages()


@pytest.fixture(autouse=True)
def instances(tmp_path: Path, settings: Settings, own_processes: None) -> dict[str, Any]:
    """Two instances with one database each; what they write stays below the test's own folder."""
    settings.BACKUP_ROOT = tmp_path / "backups"
    settings.BACKUP_WORKSPACE_ROOT = tmp_path / "workspaces"
    settings.BACKUP_ROOT.mkdir(mode=0o700)
    settings.BACKUP_INSTANCES = {name: _instance(tmp_path / name) for name in ("shop", "wiki")}
    return settings.BACKUP_INSTANCES


@pytest.fixture(autouse=True)
def without_own_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """That no instance backs up this site itself is not said here: these tests are about other warnings."""
    monkeypatch.delitem(KINDS, OWN_KIND, raising=False)


def _instance(root: Path) -> dict[str, Any]:
    root.mkdir()
    (root / "orders.db").write_bytes(_orders())
    return {"kind": "generic", "root": str(root), "components": {"orders": {"kind": "sqlite", "path": "orders.db"}}}


@cache
def _orders() -> bytes:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, text TEXT)")
        connection.executemany("INSERT INTO orders (text) VALUES (?)", [("tea",)] * 1500)
        connection.commit()
        return connection.serialize()


@pytest.fixture
def admin(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("alice"))
    return client


@pytest.fixture
def worker(db: None) -> None:
    """A worker that answers."""
    heartbeats.beat("worker x:1", heartbeats.Kind.WORKER, "backups")


@pytest.fixture
def scheduled(db: None) -> None:
    """An active schedule of the shop, which demands a backup once a year."""
    BackupSchedule.objects.create(
        name="yearly", instance="shop", destination=a_destination(), type="interval", expression="days:366"
    )


@pytest.fixture
def backed_up() -> Callable[[], BackupExecution]:
    """Run a real backup of the shop. For tests with real transactions only."""

    def run() -> BackupExecution:
        return run_backup(start_backup("shop", a_destination(), by="alice").pk)

    return run


@pytest.fixture
def restored(backed_up: Callable[[], BackupExecution], tmp_path: Path) -> RestoreExecution:
    """A real restore of a shop that had lost 500 orders."""
    execution = backed_up()
    change(tmp_path / "shop" / "orders.db", "DELETE FROM orders WHERE id <= 500")
    return restore(execution)
