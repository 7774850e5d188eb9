"""References of a database that lead nowhere: SQLite keeps such rows silently unless an application forbids it.

Source: https://www.sqlite.org/pragma.html#pragma_foreign_key_check
"""

import sqlite3
from collections import Counter
from functools import partial
from pathlib import Path

from backups.components.sqlite.connection import connected, explained
from backups.components.sqlite.integrity import is_about_checking, reason_of
from backups.components.sqlite.untrusted.deadline import Checkpoint, watched
from backups.components.sqlite.untrusted.limits import patience
from backups.components.sqlite.untrusted.schema import not_understood
from backups.errors import NotCheckable
from destinations.lib.formats import counted


def dangling_references(path: Path, *, checkpoint: Checkpoint = lambda _: None) -> list[str]:
    """Return one sentence for each pair of tables of the copy `path` with rows that refer to a missing row.

    One more where they cannot be checked. Raises DamagedComponent when it cannot be read.
    """
    found: Counter[tuple[str, str]] = Counter()
    reason = ""
    try:
        watched(
            partial(connected, path, immutable=True),
            partial(_count_into, found, path),
            seconds=patience(path),
            checkpoint=checkpoint,
        )
    except NotCheckable as error:
        reason = error.reason
    except sqlite3.Error as error:
        if not is_about_checking(error):
            raise explained(error, path, 0) from error
        reason = reason_of(error)
    if reason:
        return [f"the foreign keys of {path.name} cannot be checked: {reason}"]
    return [
        f"{path.name}: {counted(rows, 'row')} of {table} with a reference to a missing row of {parent}"
        for (table, parent), rows in sorted(found.items())
    ]


def _count_into(found: Counter[tuple[str, str]], path: Path, connection: sqlite3.Connection) -> None:
    connection.text_factory = lambda text: text.decode(errors="replace")
    not_understood(connection, path)
    for table, _rowid, parent, _key in connection.execute("PRAGMA foreign_key_check"):
        found[table, parent] += 1
