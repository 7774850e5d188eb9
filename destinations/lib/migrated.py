"""Whether a system check may read the tables: before and during an upgrade they differ from the models."""

from collections.abc import Sequence

from django.apps import apps
from django.db import connections, models, router

# of this project: a check that reads one model may come to the others through it
APPS = ("backups", "destinations")

# of the last run of checks: the list of databases that it gave to every check, and what was found in each
_asked: Sequence[str] | None = None
_found: dict[str, bool] = {}


def may_read(model: type[models.Model], databases: Sequence[str] | None) -> bool:
    """Return whether `databases` include that of `model`, and all tables of its database exist with all columns.

    `migrate` runs the database checks before it adds tables and columns: a check that reads a missing one would stop
    the upgrade.
    """
    global _asked
    alias = router.db_for_read(model)
    # `check` without --database asks for none
    if alias not in (databases or ()):
        return False
    # A run gives the same list to all of its checks, and the next one another: the tables are looked at once a run.
    # A tuple may be a constant, which two runs share.
    if databases is not _asked or not isinstance(databases, list):
        _asked = databases
        _found.clear()
    if alias not in _found:
        _found[alias] = _is_migrated(alias)
    return _found[alias]


def _is_migrated(alias: str) -> bool:
    connection = connections[alias]
    ours = [each for each in apps.get_models(include_auto_created=True) if each._meta.app_label in APPS]
    with connection.cursor() as cursor:
        names = {*connection.introspection.table_names(cursor)}
        for each in ours:
            if not each._meta.managed or router.db_for_read(each) != alias:
                continue
            if each._meta.db_table not in names:
                return False
            description = connection.introspection.get_table_description(cursor, each._meta.db_table)
            columns = {field.column for field in each._meta.concrete_fields if not field.generated}
            if not columns <= {column.name for column in description}:
                return False
    return True
