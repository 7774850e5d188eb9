"""Runs of a site that are held in a stage: hooks wait for a file, or a transaction of the service makes them wait."""

import json
import sqlite3

from tests.support.databases.sqlite_files import rows_of
from tests.support.sites.command_site import Site

PATIENCE_SECONDS = 60
# each hook says that it began, and goes on when it may
HOOKS = """
[tacacs-hq.hooks]
before_restore = ["sh", "-c", "echo stopped >> hooks.log; while [ ! -e go ]; do sleep 0.02; done"]
after_restore = ["sh", "-c", "echo started >> hooks.log; while [ ! -e go ]; do sleep 0.02; done"]
"""


def rows(site: Site, columns: str, table: str) -> list[tuple[object, ...]]:
    return rows_of(site.home / "backupsite.sqlite3", f"SELECT {columns} FROM {table} ORDER BY created_at DESC")


def backup_id(site: Site) -> str:
    return str(rows(site, "id", "backup_executions")[-1][0])


def applying(site: Site, component: str) -> bool:
    (outcome,) = rows(site, "outcome", "restore_executions")[0]
    return json.loads(str(outcome)).get(component, {}).get("state") == "applying"


class Lock:
    """A transaction of the service: who wants that database waits."""

    def __init__(self, site: Site, kind: str = "EXCLUSIVE") -> None:
        self._connection = sqlite3.connect(site.instance / "data" / "metrics_history.db", isolation_level=None)
        self._connection.execute(f"BEGIN {kind}")

    def close(self) -> None:
        self._connection.close()
