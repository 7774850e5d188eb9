"""Whether a system check may read a table: before and during an upgrade it is not as the models want it."""

from collections.abc import Sequence

from django.db import connections, models, router


def may_read(model: type[models.Model], databases: Sequence[str] | None) -> bool:
    """True when a check of `databases` is about that of `model`, and its table is there with each of its columns.

    `migrate` asks the database checks before it adds what is new: a check that reads it then would stop the upgrade.
    """
    alias, table = router.db_for_read(model), model._meta.db_table
    if alias not in (databases or ()):
        return False
    connection = connections[alias]
    with connection.cursor() as cursor:
        if table not in connection.introspection.table_names(cursor):
            return False
        there = {column.name for column in connection.introspection.get_table_description(cursor, table)}
    return {field.column for field in model._meta.concrete_fields if not field.generated} <= there
