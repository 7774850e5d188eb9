"""A long history: what is in it, found without reading it."""

import logging
from typing import Any

from django.apps import AppConfig
from django.db import DatabaseError, connection, connections, transaction
from django.db.models.signals import post_migrate
from django.dispatch import receiver

from backups.lib import audit
from backups.models import Run

# what the admin's search compares, so that PostgreSQL finds a text anywhere in it without reading every row
SEARCH_INDEX = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE INDEX IF NOT EXISTS execution_search ON backup_executions USING gin (upper(instance::text) gin_trgm_ops,"
    " upper(backup_filename::text) gin_trgm_ops, upper(comment::text) gin_trgm_ops)",
)
HINT = "lists are searched slowly: install pg_trgm (postgresql-contrib), then run `manage.py migrate` as the owner"
LOOSE_SCAN = """
WITH RECURSIVE known (instance) AS (
    SELECT MIN(instance) FROM {table}
    UNION ALL
    SELECT (SELECT MIN(instance) FROM {table} WHERE instance > known.instance) FROM known
    WHERE known.instance IS NOT NULL
)
SELECT instance FROM known WHERE instance IS NOT NULL
"""


def instances_of(model: type[Run]) -> list[str]:
    """Return the instances that have a run, by name: one look into an index for each, where DISTINCT reads them all."""
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(LOOSE_SCAN.format(table=table))
        return [instance for (instance,) in cursor.fetchall()]


@receiver(post_migrate, dispatch_uid="backups.service.monitoring.history")
def index_for_search(sender: AppConfig, using: str, **_: Any) -> None:
    """See to the index of trigrams on PostgreSQL; no model can declare it, because SQLite has nothing like it.

    Without the extension, or the right to create it, searches find the same, more slowly.
    """
    database = connections[using]
    if sender.name != "backups" or database.vendor != "postgresql" or not _has_table(using):
        return
    try:
        with transaction.atomic(using), database.cursor() as cursor:
            for statement in SEARCH_INDEX:
                cursor.execute(statement)
    except DatabaseError as error:
        reason = str(error).partition("\n")[0]
        audit.log("search.not-indexed", logging.WARNING, reason=reason, hint=HINT)


def _has_table(using: str) -> bool:
    return "backup_executions" in connections[using].introspection.table_names()
