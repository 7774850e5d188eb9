"""Queries over a long history of runs that do not read all of it: instance names, and the search index."""

import logging
from typing import Any

from django.apps import AppConfig
from django.db import DatabaseError, connection, connections, transaction

from backups.lib import audit
from backups.models import Notice, Run

# the expressions that the admin's search compares: PostgreSQL finds a substring without reading every row
SEARCH_INDEX = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE INDEX IF NOT EXISTS execution_search ON backup_executions USING gin (upper(instance::text) gin_trgm_ops,"
    " upper(backup_filename::text) gin_trgm_ops, upper(comment::text) gin_trgm_ops)",
)
HINT = "Searching lists is slow. Install pg_trgm (postgresql-contrib), then run `manage.py migrate` as the owner."
# a loose index scan, which neither database does by itself
LOOSE_SCAN = """
WITH RECURSIVE known (instance) AS (
    SELECT MIN(instance) FROM {table}
    UNION ALL
    SELECT (SELECT MIN(instance) FROM {table} WHERE instance > known.instance) FROM known
    WHERE known.instance IS NOT NULL
)
SELECT instance FROM known WHERE instance IS NOT NULL
"""


def instances_of(model: type[Run | Notice]) -> list[str]:
    """Return the names of the instances that have a row, sorted, by one index seek for each name."""
    # SELECT DISTINCT would read every row
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(LOOSE_SCAN.format(table=table))
        return [instance for (instance,) in cursor.fetchall()]


def index_for_search(sender: AppConfig, using: str, **_: Any) -> None:
    """Create the trigram index on PostgreSQL. Without pg_trgm, or the right to create it, searches are slower."""
    # in no migration: SQLite has no such index, and an extension that is installed later is used after a `migrate`
    database = connections[using]
    if sender.name != "backups" or database.vendor != "postgresql":
        return
    if "backup_executions" not in database.introspection.table_names():
        return
    try:
        with transaction.atomic(using), database.cursor() as cursor:
            for statement in SEARCH_INDEX:
                cursor.execute(statement)
    except DatabaseError as error:
        reason = str(error).partition("\n")[0]
        audit.log("search.not-indexed", logging.WARNING, reason=reason, hint=HINT)
