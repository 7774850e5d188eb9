"""A shop that was backed up, the pages of its restores, and what they say."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from django.urls import reverse
from django.utils import timezone

from backups.models import BackupExecution, RestoreExecution
from backups.service.restore.confirmation import changes_of
from tests.support.rows import Status, an_execution

RESTORES = "/admin/backups/restoreexecution/"
SEE = "view_restoreexecution"
MAY = "restore_backup"


def page_of(restore: RestoreExecution, action: str = "change") -> str:
    return reverse(f"admin:backups_restoreexecution_{action}", args=[restore.pk])


def a_restore(instance: str = "shop", **fields: Any) -> RestoreExecution:
    """Return a restore as the service leaves it; completed, of one component, unless `fields` say otherwise."""
    now = timezone.now()
    backup = fields.pop("execution", None) or an_execution(instance)
    values: dict[str, Any] = {
        "instance": instance,
        "execution": backup,
        "archive_sha256": backup.archive_sha256,
        "status": Status.COMPLETED,
        "triggered_by": "alice",
        **fields,
    }
    if values["status"] != Status.QUEUED:
        values = {"started_at": now, "heartbeat_at": now, **values}
    if values["status"] == Status.COMPLETED:
        values = {"completed_at": now, "stage": "done", "outcome": an_outcome("restored"), **values}
        values.setdefault("safety_backup", an_execution(instance, kind="safety", pinned=True))
    return RestoreExecution.objects.create(**values)


def running(**fields: Any) -> RestoreExecution:
    return a_restore(**{"status": Status.RUNNING, "stage": "applying", "progress_percent": 70} | fields)


def an_outcome(state: str) -> dict[str, Any]:
    path = "/srv/shop/orders.db"
    return {"orders": {"state": state, "component": "orders", "path": path, "rows": 1500, "bytes": 24576}}


def confirmed(execution: BackupExecution, *components: str, **fields: Any) -> dict[str, Any]:
    """Return what the form sends when a person ticked `components` and typed the name."""
    return {
        "components": list(components) or ["orders"],
        "confirm": execution.instance,
        "archive_sha256": execution.archive_sha256,
        "changes_seen": changes_of(fields.get("confirm", execution.instance)),
        **fields,
    }


def orders(root: Path) -> int:
    with closing(sqlite3.connect(root / "orders.db")) as connection:
        (count,) = connection.execute("SELECT count(*) FROM orders").fetchone()
    return int(count)
