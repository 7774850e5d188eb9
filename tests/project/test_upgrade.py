"""A site of an earlier state is brought to this one by `migrate`, which asks the system checks before it begins."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.processes import prepared


@pytest.fixture
def manage(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Return a function that runs a command of a site in a folder of its own."""
    (tmp_path / "home").mkdir(mode=0o700)
    (tmp_path / "home" / "instances.toml").write_text("")
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env |= {"BACKUPSITE_HOME": str(tmp_path / "home")}
    return lambda *args: prepared.run(["manage.py", *args], env, timeout=120)


EVERY_STATE = """
import json
from django.core import checks
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

OURS = ("backups", "destinations")
states, failed = [], []

def look(action, migration=None, fake=False):
    if action == "apply_success" and migration.app_label in OURS:
        states.append(str(migration))
        try:
            checks.run_checks(databases=["default"])
        except Exception as error:
            failed.append(f"{migration}: {error!r}")

executor = MigrationExecutor(connection)
executor.migrate([name for name in executor.loader.graph.leaf_nodes() if name[0] not in OURS])
executor = MigrationExecutor(connection, look)
executor.migrate(executor.loader.graph.leaf_nodes())
print(json.dumps({"states": len(states), "failed": failed}))
"""


def test_a_site_of_every_earlier_state_is_checked_before_it_is_migrated(
    manage: Callable[..., "subprocess.CompletedProcess[str]"],
) -> None:
    done = manage("shell", "-v0", "-c", EVERY_STATE)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["failed"] == []
    assert found["states"] >= 24
    assert "[ ]" not in manage("showmigrations").stdout
    done = manage("check", "--database", "default")
    assert done.returncode == 0, done.stderr


RESERVED = """
import json
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
before, after = ("backups", "0004_run_owner"), ("backups", "0005_reservation")
def migrated(state):
    executor = MigrationExecutor(connection)
    return executor.migrate([state]).apps.get_model("backups", "BackupExecution").objects
backups = migrated(before)
nas = backups.model._meta.apps.get_model("destinations", "BackupDestination").objects.create(
    name="nas", type="local", config_json={}
)
held = dict(worker="vm:1", process="boot/ns/1/2", heartbeat_at=timezone.now(), kind="scheduled")
for name, status, owner in [("a", "queued", "queue"), ("b", "queued", "process"), ("c", "running", "queue")]:
    backups.create(id=name, instance=name, destination=nas, status=status, owner=owner, triggered_by="x", **held)
for row in migrated(after).order_by("pk"):
    facts = [row.reserved_at is not None, row.reserved_by, row.process, row.heartbeat_at is not None]
    print(json.dumps(facts))
for row in migrated(before).order_by("pk"):
    print(json.dumps([row.process, row.heartbeat_at is not None]))
"""


def test_a_reservation_gets_columns_of_its_own_and_what_runs_keeps_its_heartbeat(
    manage: Callable[..., "subprocess.CompletedProcess[str]"],
) -> None:
    done = manage("shell", "-v0", "-c", RESERVED)
    assert done.returncode == 0, done.stderr
    who = "boot/ns/1/2"
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        [True, who, "", False],
        [True, who, who, False],
        [False, "", who, True],
        [who, True],
        [who, True],
        [who, True],
    ]
