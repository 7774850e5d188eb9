"""Foreign keys that refer to missing rows: SQLite keeps such rows unless the application enables enforcement.

Source: https://www.sqlite.org/pragma.html#pragma_foreign_key_check
"""

import sqlite3
from collections import Counter
from functools import partial
from pathlib import Path

from backups.components.sqlite.connection import component_error, connected, exact_text
from backups.components.sqlite.integrity import is_about_checking, reason_of
from backups.components.sqlite.untrusted.deadline import Checkpoint, run_with_deadline
from backups.components.sqlite.untrusted.limits import time_limit
from backups.components.sqlite.untrusted.schema import not_understood
from backups.errors import NotCheckable
from destinations.lib.formats import counted, printable


def dangling_references(path: Path, *, checkpoint: Checkpoint = lambda _: None) -> list[str]:
    """Return a note for each pair of tables in the copy `path` whose rows refer to a missing row.

    Where they cannot be checked, the only note gives the reason. Raises DamagedComponent when it cannot be read.
    """
    found: Counter[tuple[str, str]] = Counter()
    reason = ""

    def count(connection: sqlite3.Connection) -> None:
        connection.text_factory = exact_text
        not_understood(connection, path)
        for table, _rowid, parent, _key in connection.execute("PRAGMA foreign_key_check"):
            found[table, parent] += 1

    try:
        run_with_deadline(
            partial(connected, path, immutable=True),
            count,
            seconds=time_limit(path),
            checkpoint=checkpoint,
        )
    except NotCheckable as error:
        reason = error.reason
    except sqlite3.Error as error:
        if not is_about_checking(error):
            raise component_error(error, path, 0) from error
        reason = reason_of(error)
    if reason:
        return [f"the foreign keys of {path.name} cannot be checked: {reason}"]
    return [
        printable(f"{path.name}: {counted(rows, 'row')} of {table} with a reference to a missing row of {parent}")
        for (table, parent), rows in sorted(found.items())
    ]
