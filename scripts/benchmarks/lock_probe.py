"""How long a SQLite database stays locked for writers. Run as a program, in a process of its own, until its standard
input ends: ``lock_probe.py DATABASE`` prints the longest time in seconds.
"""

import select
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

POLL_SECONDS = 0.001


def longest_lock(database: Path, during: Callable[[], object]) -> float:
    """Return the longest time in seconds that the database was locked for another process while `during` ran."""
    words = [sys.executable, str(Path(__file__)), str(database)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as probe:
        # it says that it has begun
        next(iter(probe.stdout or ()))
        during()
        longest, _ = probe.communicate("")
    return float(longest)


def main(database: str) -> None:
    longest, locked_at = 0.0, None
    with closing(sqlite3.connect(database, isolation_level=None, timeout=0)) as connection:
        print("ready", flush=True)
        while not select.select([sys.stdin], [], [], POLL_SECONDS)[0]:
            tried_at = time.perf_counter()
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
            except sqlite3.OperationalError:
                locked_at = locked_at or tried_at
                longest = max(longest, time.perf_counter() - locked_at)
            else:
                locked_at = None
    print(longest)


if __name__ == "__main__":
    main(sys.argv[1])
