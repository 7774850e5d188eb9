"""Whether the tables are as the models want them: before and during an upgrade they are not."""

from django.db import connections, models


def is_migrated(model: type[models.Model], alias: str) -> bool:
    """True when the table of `model` is there and has each of its columns.

    `migrate` asks the database checks before it adds what is new: a check that reads it then would stop the upgrade.
    """
    connection, table = connections[alias], model._meta.db_table
    with connection.cursor() as cursor:
        if table not in connection.introspection.table_names(cursor):
            return False
        there = {column.name for column in connection.introspection.get_table_description(cursor, table)}
    return {field.column for field in model._meta.concrete_fields if not field.generated} <= there
