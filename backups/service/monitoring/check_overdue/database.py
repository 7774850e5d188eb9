"""Reading a database that refuses to be written, and finding out that it does."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.db import DEFAULT_DB_ALIAS, DatabaseError, OperationalError, connection, connections, transaction

from backups.models import Heartbeat
from backups.outside.problem import Problem, Severity
from destinations.lib.database_errors import database_error


@contextmanager
def opened_for_reading() -> Iterator[str]:
    """Connect this thread to the database; yield a note about what it may lack, "" when it is whole.

    A SQLite database in WAL mode needs two files beside it. Where they cannot be made, as on a full or read-only disk,
    it is read as it lies there: without changes that are only in its write-ahead log.
    """
    try:
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM backup_heartbeats LIMIT 1")
    except OperationalError:
        if connection.vendor != "sqlite" or not Path(_file()).is_file():
            raise
    else:
        yield ""
        return
    connection.close()
    file = Path(_file())
    settings: dict[str, Any] = connection.settings_dict
    own = {
        **settings,
        "NAME": f"file:{quote(str(file.absolute()))}?mode=ro&immutable=1",
        # to set its journal mode would be a write
        "OPTIONS": {key: value for key, value in settings["OPTIONS"].items() if key != "init_command"},
    }
    before = connections[DEFAULT_DB_ALIAS]
    # of this thread alone
    connections[DEFAULT_DB_ALIAS] = type(before)(own, DEFAULT_DB_ALIAS)
    try:
        log = file.with_name(f"{file.name}-wal")
        size = log.stat().st_size if log.is_file() else 0
        yield f"The database was read without the last {size} bytes of changes to it." if size else ""
    finally:
        connections[DEFAULT_DB_ALIAS].close()
        connections[DEFAULT_DB_ALIAS] = before


def _file() -> str:
    return str(connection.settings_dict["NAME"])


def write_problem() -> Problem | None:
    """Return what is wrong when the database refuses a write; it is asked for one that changes nothing."""
    try:
        with transaction.atomic():
            # no row has this name. SQLite takes its lock for writing all the same, and PostgreSQL refuses the
            # statement in a transaction that may only read, as on a standby
            Heartbeat.objects.filter(name="").update(problem="")
            transaction.set_rollback(True)
    except DatabaseError as error:
        known = database_error(error)
        text = f"The database refuses to be written, so nothing is recorded and no backup starts. {known.message}"
        return Problem(Severity.CRITICAL, "database-refuses-writes", text, known.hint, is_silence=True)
    return None
