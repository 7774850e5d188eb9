"""`migrate` records the archive of each earlier backup as its copy."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from backups.models import BackupCopy, BackupExecution

pytestmark = pytest.mark.django_db(transaction=True)
BEFORE = [("backups", "0016_absent_components")]
NOW = timezone.now()


@pytest.fixture
def earlier() -> Iterator[Any]:
    executor = MigrationExecutor(connection)
    latest = [key for key in executor.loader.graph.leaf_nodes() if key[0] == "backups"]
    executor.migrate(BEFORE)
    try:
        yield executor.loader.project_state(BEFORE).apps
    finally:
        MigrationExecutor(connection).migrate(latest)
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM backup_copies")
            cursor.execute("DELETE FROM backup_executions")


def row(apps: Any, destination: Any, name: str, **fields: Any) -> None:
    values = {
        "id": name,
        "instance": name,
        "destination": destination,
        "status": "completed",
        "triggered_by": "x",
        "created_at": NOW,
        "completed_at": NOW + timedelta(seconds=3),
        "backup_path": f"app/{name}.tar.gz",
        "backup_filename": f"{name}.tar.gz",
        "archive_sha256": name[0] * 64,
        "archive_blake2b": "b" * 128,
        "compressed_size_bytes": 17,
        "encryption": "age",
        "recipients": ["age1"],
        "manifest_json": {},
    }
    apps.get_model("backups", "BackupExecution").objects.create(**values | fields)


def test_each_archive_becomes_one_copy_with_what_is_known_of_it(earlier: Any) -> None:
    nas = earlier.get_model("destinations", "BackupDestination").objects.create(
        name="nas", type="local", config_json={}
    )
    without = {"backup_path": "", "backup_filename": "", "archive_sha256": "", "completed_at": None}
    row(earlier, nas, "a-stored", verified_at=NOW)
    row(earlier, nas, "b-missing", missing_at=NOW)
    row(earlier, nas, "c-deleted", deleted_at=NOW, deleted_by="bob", deleted_reason="old")
    row(earlier, nas, "d-failed", status="failed", **without)
    row(earlier, nas, "e-queued", status="queued", **without)
    row(earlier, nas, "f-running", status="running", planned_path="app/f.tar.gz", **without)
    # more than one batch: rows are read while others are written
    model = earlier.get_model("backups", "BackupExecution")
    model.objects.bulk_create(
        model(id=f"many-{number}", instance="many", destination=nas, status="queued", triggered_by="x", kind="startup")
        for number in range(1_100)
    )
    latest = [key for key in MigrationExecutor(connection).loader.graph.leaf_nodes() if key[0] == "backups"]
    MigrationExecutor(connection).migrate(latest)
    assert BackupCopy.objects.filter(execution__instance="many", state="waiting").count() == 1_100
    copies = {copy.execution_id: copy for copy in BackupCopy.objects.exclude(execution__instance="many")}
    assert {name: copy.condition for name, copy in copies.items()} == {
        "a-stored": "stored",
        "b-missing": "missing",
        "c-deleted": "deleted",
        "e-queued": "waiting",
        "f-running": "uploading",
    }
    first = copies["a-stored"]
    assert (first.path, first.size_bytes, first.sha256, first.blake2b) == (
        "app/a-stored.tar.gz",
        17,
        "a" * 64,
        "b" * 128,
    )
    assert (first.encryption, first.recipients, first.verified_at) == ("age", ["age1"], NOW)
    assert first.stored_at == NOW + timedelta(seconds=3)
    assert (copies["c-deleted"].deleted_by, copies["c-deleted"].deleted_reason) == ("bob", "old")
    assert copies["f-running"].planned_path == "app/f.tar.gz"
    states = dict(BackupExecution.objects.values_list("pk", "copies_state"))
    assert (states["a-stored"], states["b-missing"], states["c-deleted"]) == ("all", "missing", "")
