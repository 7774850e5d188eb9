"""Database and queue in the three deployments, chosen by the environment: docs/scaling.md gives the picture.

embedded     nothing set: one SQLite file, which holds the messages too
PostgreSQL   DATABASE_URL=postgres://...: several hosts, and the database holds the messages
Redis        BACKUP_REDIS_URL=redis://... beside PostgreSQL: Redis holds the messages
"""

from math import ceil
from pathlib import Path
from typing import Any

from backupsite.environment import Environment

# beside the backups: a slot for a restore, one for a drill, two so that housekeeping and schedules never wait
SPARE_WORKERS = 4
# longer than a run that has timed out may take to end; after it django-q2 kills its own worker
ENDING_SECONDS = 900
SQLITE_OPTIONS = {
    "timeout": 20,
    # Without IMMEDIATE, readers that turn into writers fail with "database is locked" however long the timeout.
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}


def database_settings(env: Environment, home: Path) -> dict[str, Any]:
    """Return ``DATABASES["default"]``: DATABASE_URL, or a SQLite file below `home`."""
    # not as a URL: a folder may hold characters that URLs reserve
    embedded = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(home / "backupsite.sqlite3")}
    database: dict[str, Any] = env.db_url("DATABASE_URL") if env.str("DATABASE_URL", default="") else embedded
    # On SQLite a connection per poll would rewrite the WAL every time: gigabytes a day from an idle worker.
    database.setdefault("CONN_MAX_AGE", 600)
    options = database.setdefault("OPTIONS", {})
    if database["ENGINE"] == "django.db.backends.sqlite3":
        options |= SQLITE_OPTIONS
    elif database["ENGINE"] == "django.db.backends.postgresql":
        options.setdefault("connect_timeout", 10)
        database.setdefault("CONN_HEALTH_CHECKS", True)
    return database


def cluster_settings(env: Environment, *, runs: int, timeout: int) -> dict[str, Any]:
    """Return ``Q_CLUSTER`` for `runs` backups at once on a host, none longer than `timeout` seconds.

    The clock of `retry` starts when the pusher takes the message, not when the task starts, so it has to cover the
    time a message may wait behind others: retry > timeout * (1 + ceil((queue_limit + 1) / workers)). A shorter one
    makes django-q2 start a running task a second time, in parallel.
    """
    workers, queue_limit = runs + SPARE_WORKERS, 1
    timeout += ENDING_SECONDS
    redis_url = env.redis_url("BACKUP_REDIS_URL")
    if redis_url and "?" not in redis_url:
        # without a timeout a page or a worker would wait for ever for a Redis that is gone
        redis_url += "?socket_connect_timeout=5&socket_timeout=15"
    return {
        # Messages are signed with this name, so it is the same for every queue and host of the site.
        "name": "backupsite",
        "workers": workers,
        "queue_limit": queue_limit,
        "timeout": timeout,
        "retry": timeout * (1 + ceil((queue_limit + 1) / workers)) + 1_800,
        "ack_failures": True,
        "max_attempts": 1,
        "catch_up": False,
        "guard_cycle": 1,
        "save_limit": 50,
        "recycle": 50,
        "poll": 1,
        **({"redis": redis_url} if redis_url else {"orm": "default"}),
    }
