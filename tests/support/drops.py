"""Backups that hold data, and backups that lack it."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.utils import timezone

from backups.models import BackupExecution
from tests.service.drops.test_holdings import database, tree
from tests.support.rows import a_manifest, an_execution

HOUR = timedelta(hours=1)
FULL = (database("orders", orders=400), tree("uploads", 9, 9000))
EMPTY = (database("orders", orders=0), tree("uploads", 9, 9000))
LEFT = {"component": "orders", "table": "", "measure": "rows", "before": 400, "after": 0}


def empty(shop: Path) -> None:
    with closing(sqlite3.connect(shop / "orders.db")) as connection, connection:
        connection.execute("DELETE FROM orders")
    (shop / "uploads" / "photo").unlink()


def held(age: timedelta, entries: Any = FULL, **fields: Any) -> BackupExecution:
    moment = (timezone.now() - age).isoformat()
    manifest = a_manifest("shop", contents=tuple(entries), absent=(), timestamp_utc=moment)
    return an_execution("shop", age=age, manifest_json=manifest.to_dict(), **fields)


def lacking(age: timedelta, **fields: Any) -> BackupExecution:
    return held(age, EMPTY, **{"drops": [dict(LEFT)]} | fields)
