"""Check the settings of the database that concurrent workers and pages depend on."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning

HINT = "Use the settings of backupsite/queue.py; docs/scaling.md gives the reasons."
LEAST_LOCK_SECONDS = 10


def check_database(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E020 to E022, W020 to W023: settings of DATABASES["default"] that the queue depends on."""
    database = settings.DATABASES["default"]
    found: list[CheckMessage] = []
    if database.get("ATOMIC_REQUESTS"):
        text = "ATOMIC_REQUESTS must be off: a page would hold its transaction while it waits for a destination."
        found.append(Error(text, hint=HINT, id="backups.E020"))
    engine = database["ENGINE"].rpartition(".")[2]
    if engine == "sqlite3":
        options = database.get("OPTIONS", {})
        if str(options.get("transaction_mode", "")).upper() != "IMMEDIATE":
            text = (
                "SQLite: transaction_mode must be IMMEDIATE: results are lost and pages fail with 'database is locked'."
            )
            found.append(Error(text, hint=HINT, id="backups.E021"))
        if not database.get("CONN_MAX_AGE", 0):
            text = "SQLite: CONN_MAX_AGE should not be 0: every poll would rewrite the WAL, gigabytes a day."
            found.append(Warning(text, hint=HINT, id="backups.W020"))
        if "journal_mode=wal" not in options.get("init_command", "").replace(" ", "").lower():
            text = "SQLite: journal_mode should be WAL: a page that reads would block the workers."
            found.append(Warning(text, hint=HINT, id="backups.W021"))
        # 5 is the default of Python's sqlite3
        if options.get("timeout", 5) < LEAST_LOCK_SECONDS:
            text = f"SQLite: timeout should be at least {LEAST_LOCK_SECONDS} seconds: several processes write."
            found.append(Warning(text, hint=HINT, id="backups.W022"))
        if "redis" in getattr(settings, "Q_CLUSTER", {}):
            text = "Redis as the broker beside SQLite: it helps only where several hosts share PostgreSQL."
            found.append(Warning(text, hint="Set DATABASE_URL, or unset BACKUP_REDIS_URL.", id="backups.W023"))
    elif engine != "postgresql":
        text = f"the database engine {engine} is not tested: two workers are kept apart by partial unique constraints."
        found.append(Error(text, hint="Use PostgreSQL, or SQLite on a single host.", id="backups.E022"))
    return found
