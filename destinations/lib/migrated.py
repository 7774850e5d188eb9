"""Whether a system check may read a table: before and during an upgrade its columns differ from the model's."""

from collections.abc import Sequence

from django.db import connections, models, router


def may_read(model: type[models.Model], databases: Sequence[str] | None) -> bool:
    """Return whether `databases` include that of `model`, and its table exists with all of its columns.

    `migrate` runs the database checks before it adds columns: a check that reads a missing one would stop the upgrade.
    """
    alias, table = router.db_for_read(model), model._meta.db_table
    # `check` without --database asks for none
    if alias not in (databases or ()):
        return False
    connection = connections[alias]
    with connection.cursor() as cursor:
        if table not in connection.introspection.table_names(cursor):
            return False
        existing = {column.name for column in connection.introspection.get_table_description(cursor, table)}
    return {field.column for field in model._meta.concrete_fields if not field.generated} <= existing
