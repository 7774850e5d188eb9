"""Rows of one archive that an earlier version counted as several backups become one by `migrate`."""

from collections.abc import Iterator
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


@pytest.fixture
def upgraded() -> Iterator[dict[str, BackupExecution]]:
    """Return the rows that `migrate` makes of those of the earlier version, by id."""
    executor = MigrationExecutor(connection)
    latest = [key for key in executor.loader.graph.leaf_nodes() if key[0] == "backups"]
    executor.migrate(BEFORE)
    try:
        apps = executor.loader.project_state(BEFORE).apps
        destinations = apps.get_model("destinations", "BackupDestination").objects
        nas, offsite, disk = (
            destinations.create(name=name, type="local", config_json={}) for name in ("nas", "offsite", "disk")
        )
        rows_with_pins_and_places(apps, nas, offsite)
        rows_with_verdicts(apps, disk)
    finally:
        MigrationExecutor(connection).migrate(latest)
    yield BackupExecution.objects.in_bulk()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM backup_copies")
        cursor.execute("DELETE FROM backup_executions")
        cursor.execute("DELETE FROM backup_destinations")


def rows_with_pins_and_places(apps: Any, nas: Any, offsite: Any) -> None:
    row(apps, nas, "made", "a", age=5)
    row(apps, nas, "adopted", "a", age=9, adopted=True, pinned=True, pin_reason="audit")
    row(apps, nas, "lost", "b", age=5, missing_at=NOW)
    row(apps, nas, "found", "b", age=4, adopted=True)
    row(apps, nas, "failed", "a", age=1, status="failed", backup_path="")
    row(apps, offsite, "elsewhere", "a", age=5)
    row(apps, nas, "gone", "c", age=5, deleted_at=NOW, deleted_reason="old")
    row(apps, nas, "again", "c", age=4)


def rows_with_verdicts(apps: Any, disk: Any) -> None:
    row(apps, disk, "bad", "a", age=5, verification=FAILED, drill=PASSED, verified_at=NOW - timedelta(days=2))
    row(apps, disk, "good", "a", age=4, adopted=True, verification=PASSED, verified_at=NOW)
    row(apps, disk, "undrillable", "b", age=5, drill=FAILED)
    row(apps, disk, "unknown", "b", age=4, adopted=True)
    row(apps, disk, "vanished", "c", age=5, missing_at=NOW)
    row(apps, disk, "damaged", "c", age=4, adopted=True, drill=FAILED)
    row(apps, disk, "doomed", "d", age=5, deleting_at=NOW)
    row(apps, disk, "pinned", "d", age=4, adopted=True, pinned=True, pin_reason="audit")
    row(apps, disk, "absent", "e", age=5, missing_at=NOW)
    row(apps, disk, "going", "e", age=4, adopted=True, deleting_at=NOW)
    row(apps, disk, "first", "f", age=5, drill=FAILED)
    row(apps, disk, "second", "f", age=4, adopted=True, verification=FAILED)


def are_copies(rows: dict[str, BackupExecution], destination: str) -> set[str]:
    return {
        name
        for name, row in rows.items()
        if row.deleted_reason.startswith("another copy of backup ") and row.destination.name == destination
    }


# one upgrade for both: the way back and forth takes two seconds
def test_the_oldest_row_made_here_is_kept_and_stands_for_the_best_file(upgraded: dict[str, BackupExecution]) -> None:
    rows = upgraded
    assert are_copies(rows, "nas") == {"adopted", "found"}
    assert are_copies(rows, "offsite") == set()
    assert (rows["made"].pin_reason, rows["elsewhere"].pin_reason) == ("audit", "")
    assert (rows["lost"].backup_path, rows["lost"].missing_at) == ("app/found.tar.gz", None)
    assert [rows[name].deleted_reason for name in ("failed", "gone", "again")] == ["", "old", ""]

    assert are_copies(rows, "disk") == {"good", "unknown", "damaged", "doomed", "going", "second"}
    kept = rows["bad"]
    assert (kept.backup_path, kept.backup_filename) == ("app/good.tar.gz", "good.tar.gz")
    assert (kept.verification, kept.drill, kept.verified_at) == (PASSED, None, NOW)
    assert (rows["undrillable"].backup_path, rows["first"].backup_path) == ("app/unknown.tar.gz", "app/first.tar.gz")
    assert (rows["vanished"].backup_path, rows["vanished"].flaw) == ("app/damaged.tar.gz", "its drill failed")
    # none that is being deleted stays
    assert (rows["pinned"].pinned, rows["absent"].backup_path) == (True, "app/absent.tar.gz")
    good = BackupExecution.objects.good().filter(destination__name="disk")
    assert set(good.values_list("pk", flat=True)) == {"bad", "undrillable", "pinned"}
