"""References of a database that lead nowhere: SQLite keeps such rows silently unless an application forbids it.

Source: https://www.sqlite.org/pragma.html#pragma_foreign_key_check
"""

import sqlite3
from collections import Counter
from pathlib import Path

from backups.sqlite.opening import NEEDS_APPLICATION, Checkpoint, connected, explained

ROWS_PER_CHECKPOINT = 10_000


def dangling_references(path: Path, *, checkpoint: Checkpoint = lambda _: None) -> list[str]:
    """Return one sentence for each pair of tables of the copy `path` with rows that refer to a missing row.

    Raises DamagedComponent when it cannot be read.
    """
    found: Counter[tuple[str, str]] = Counter()
    try:
        with connected(path, immutable=True) as connection:
            for number, (table, _rowid, parent, _key) in enumerate(connection.execute("PRAGMA foreign_key_check")):
                found[table, parent] += 1
                if number % ROWS_PER_CHECKPOINT == 0:
                    checkpoint(0)
    except sqlite3.OperationalError as error:
        reason = str(error)
        if NEEDS_APPLICATION.fullmatch(reason) or reason.startswith("foreign key mismatch"):
            return [f"the foreign keys of {path.name} cannot be checked: {reason}"]
        raise explained(error, path, 0) from error
    except sqlite3.Error as error:
        raise explained(error, path, 0) from error
    return [
        f"{path.name}: {rows} {'row' if rows == 1 else 'rows'} of {table} with a reference to a missing row of {parent}"
        for (table, parent), rows in sorted(found.items())
    ]
