"""Rows of one archive that an earlier version counted as several backups become one by `migrate`."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from backups.models import BackupExecution

pytestmark = pytest.mark.django_db(transaction=True)

BEFORE = [("backups", "0009_secrets")]
NOW = timezone.now()
PASSED, FAILED = {"verdict": "passed"}, {"verdict": "failed"}


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


@contextmanager
def upgraded() -> Iterator[tuple[Any, Any, dict[str, BackupExecution]]]:
    """Yield the apps of the earlier version, a destination, and the rows that `migrate` makes of both."""
    executor = MigrationExecutor(connection)
    latest = [key for key in executor.loader.graph.leaf_nodes() if key[0] == "backups"]
    executor.migrate(BEFORE)
    rows: dict[str, BackupExecution] = {}
    try:
        apps = executor.loader.project_state(BEFORE).apps
        destinations = apps.get_model("destinations", "BackupDestination").objects
        yield apps, destinations.create(name="nas", type="local", config_json={}), rows
    finally:
        MigrationExecutor(connection).migrate(latest)
    rows |= BackupExecution.objects.in_bulk()


@pytest.fixture(autouse=True)
def emptied() -> Iterator[None]:
    yield
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM backup_copies")
        cursor.execute("DELETE FROM backup_executions")
        cursor.execute("DELETE FROM backup_destinations")


def are_copies(rows: dict[str, BackupExecution]) -> set[str]:
    return {name for name, row in rows.items() if row.deleted_reason.startswith("another copy of backup ")}


def test_the_oldest_row_made_here_is_kept_with_the_pin_and_the_place_of_the_others() -> None:
    with upgraded() as (apps, nas, rows):
        destinations = apps.get_model("destinations", "BackupDestination").objects
        offsite = destinations.create(name="offsite", type="local", config_json={})
        row(apps, nas, "made", "a", age=5)
        row(apps, nas, "adopted", "a", age=9, adopted=True, pinned=True, pin_reason="audit")
        row(apps, nas, "lost", "b", age=5, missing_at=NOW)
        row(apps, nas, "found", "b", age=4, adopted=True)
        row(apps, nas, "failed", "a", age=1, status="failed", backup_path="")
        row(apps, offsite, "elsewhere", "a", age=5)
        row(apps, nas, "gone", "c", age=5, deleted_at=NOW, deleted_reason="old")
        row(apps, nas, "again", "c", age=4)
    assert are_copies(rows) == {"adopted", "found"}
    assert (rows["made"].pin_reason, rows["elsewhere"].pin_reason) == ("audit", "")
    assert (rows["lost"].backup_path, rows["lost"].missing_at) == ("app/found.tar.gz", None)
    assert [rows[name].deleted_reason for name in ("failed", "gone", "again")] == ["", "old", ""]


def test_the_row_that_is_kept_stands_for_the_best_file_and_is_not_being_deleted() -> None:
    with upgraded() as (apps, nas, rows):
        row(apps, nas, "bad", "a", age=5, verification=FAILED, drill=PASSED, verified_at=NOW - timedelta(days=2))
        row(apps, nas, "good", "a", age=4, adopted=True, verification=PASSED, verified_at=NOW)
        row(apps, nas, "undrillable", "b", age=5, drill=FAILED)
        row(apps, nas, "unknown", "b", age=4, adopted=True)
        row(apps, nas, "lost", "c", age=5, missing_at=NOW)
        row(apps, nas, "damaged", "c", age=4, adopted=True, drill=FAILED)
        row(apps, nas, "doomed", "d", age=5, deleting_at=NOW)
        row(apps, nas, "pinned", "d", age=4, adopted=True, pinned=True, pin_reason="audit")
        row(apps, nas, "absent", "e", age=5, missing_at=NOW)
        row(apps, nas, "going", "e", age=4, adopted=True, deleting_at=NOW)
        row(apps, nas, "first", "f", age=5, drill=FAILED)
        row(apps, nas, "second", "f", age=4, adopted=True, verification=FAILED)
    assert are_copies(rows) == {"good", "unknown", "damaged", "doomed", "going", "second"}
    kept = rows["bad"]
    assert (kept.backup_path, kept.backup_filename) == ("app/good.tar.gz", "good.tar.gz")
    assert (kept.verification, kept.drill, kept.verified_at) == (PASSED, None, NOW)
    assert (rows["undrillable"].backup_path, rows["first"].backup_path) == ("app/unknown.tar.gz", "app/first.tar.gz")
    assert (rows["lost"].backup_path, rows["lost"].flaw) == ("app/damaged.tar.gz", "its drill failed")
    assert (rows["pinned"].pinned, rows["absent"].backup_path) == (True, "app/absent.tar.gz")
    assert set(BackupExecution.objects.good().values_list("pk", flat=True)) == {"bad", "undrillable", "pinned"}
