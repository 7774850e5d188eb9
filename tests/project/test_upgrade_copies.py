"""Rows of one archive that an earlier version counted as several backups become one by `migrate`."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

pytestmark = pytest.mark.django_db(transaction=True)

BEFORE = [("backups", "0009_secrets")]
NOW = timezone.now()


def row(apps: Any, destination: Any, name: str, sha: str, *, age: int, **fields: Any) -> None:
    moment = NOW - timedelta(days=age)
    values = {
        "id": name,
        "instance": "app",
        "status": "completed",
        "triggered_by": "x",
        "destination": destination,
        "created_at": moment,
        "completed_at": moment,
        "backup_path": f"app/{name}.tar.gz",
        "backup_filename": f"{name}.tar.gz",
        "archive_sha256": sha * 64,
        "manifest_json": {},
    }
    apps.get_model("backups", "BackupExecution").objects.create(**values | fields)


def test_the_oldest_row_made_here_is_kept_with_the_pin_and_the_place_of_the_others() -> None:
    executor = MigrationExecutor(connection)
    latest = [key for key in executor.loader.graph.leaf_nodes() if key[0] == "backups"]
    executor.migrate(BEFORE)
    try:
        apps = executor.loader.project_state(BEFORE).apps
        destinations = apps.get_model("destinations", "BackupDestination").objects
        nas, offsite = (destinations.create(name=name, type="local", config_json={}) for name in ("nas", "offsite"))
        row(apps, nas, "made", "a", age=5)
        row(apps, nas, "adopted", "a", age=9, adopted=True, pinned=True, pin_reason="audit")
        row(apps, nas, "lost", "b", age=5, missing_at=NOW)
        row(apps, nas, "found", "b", age=4, adopted=True)
        row(apps, nas, "failed", "a", age=1, status="failed", backup_path="")
        row(apps, offsite, "elsewhere", "a", age=5)
        row(apps, nas, "gone", "c", age=5, deleted_at=NOW, deleted_reason="old")
        row(apps, nas, "again", "c", age=4)
    finally:
        MigrationExecutor(connection).migrate(latest)
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, deleted_reason, pin_reason, backup_path, missing_at IS NULL FROM backup_executions")
        rows = {name: facts for name, *facts in cursor.fetchall()}
        cursor.execute("DELETE FROM backup_executions")
        cursor.execute("DELETE FROM backup_destinations")
    deleted = {name for name, (reason, *_) in rows.items() if reason.startswith("another copy of backup ")}
    assert deleted == {"adopted", "found"}, json.dumps(rows)
    assert (rows["made"][1], rows["elsewhere"][1]) == ("audit", "")
    assert (rows["lost"][2], bool(rows["lost"][3])) == ("app/found.tar.gz", True)
    assert [rows[name][0] for name in ("failed", "gone", "again")] == ["", "old", ""]
