"""A TACACS+ instance as large as wanted: the demo instance with an accounting database full of made-up rows.

Run as a program it makes one: ``dataset.py DIRECTORY MEGABYTES``. It runs in a process of its own, because the peak
memory that Linux reports for a child is never lower than that of the process which started it.
"""

import random
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

DEMO = Path(__file__).resolve().parents[2] / "tests" / "data" / "instance"
ACCOUNTING = Path("data", "tacacs_accounting.db")
SEED = 20261123
MEGABYTE = 1_000_000
BYTES_PER_ROW = 245  # with its share of the three indexes, measured
SECONDS_BETWEEN_ROWS = 11
FIRST_ROW_AT = datetime(2024, 1, 1, tzinfo=UTC)
STATUSES = ("START", "STOP", "UPDATE")
COMMANDS = (
    "write memory",
    "configure terminal",
    "show running-config",
    "show version",
    "ping 192.0.2.1",
    "clear counters",
)
COLUMNS = (
    "timestamp, username, session_id, status, service, command, client_ip, port, bytes_in, bytes_out, elapsed_time, "
    "privilege_level, is_recent"
)
Row = tuple[str, str, int, str, str, str, str, str, int, int, int, int, int]


def make_instance(root: Path, megabytes: int) -> None:
    """Copy the demo instance to `root` and fill its accounting database to about `megabytes` (10^6 bytes)."""
    shutil.copytree(DEMO, root)
    count = megabytes * MEGABYTE // BYTES_PER_ROW
    with closing(sqlite3.connect(root / ACCOUNTING, isolation_level=None)) as connection:
        # this file is not needed after a crash
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA synchronous=OFF")
        fill(connection, count)
        connection.execute("PRAGMA journal_mode=WAL")


def fill(connection: sqlite3.Connection, count: int) -> None:
    """Replace the rows of ``accounting_logs`` by `count` others, as the service writes them; indexes come last."""
    later = connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = 'accounting_logs' AND type IN ('index', 'trigger')"
    ).fetchall()
    connection.execute("BEGIN")
    for kind, name, _ in later:
        connection.execute(f"DROP {kind} {name}")
    for table in ("accounting_logs", "mv_daily_totals", "mv_daily_unique_users"):
        connection.execute(f"DELETE FROM {table}")
    marks = ", ".join("?" * len(COLUMNS.split(",")))
    connection.executemany(f"INSERT INTO accounting_logs ({COLUMNS}) VALUES ({marks})", rows(count))
    connection.execute("INSERT INTO mv_daily_totals SELECT date(timestamp), count(*) FROM accounting_logs GROUP BY 1")
    connection.execute(
        "INSERT INTO mv_daily_unique_users SELECT date(timestamp), username, min(timestamp) FROM accounting_logs"
        " GROUP BY 1, 2"
    )
    for *_, statement in sorted(later):
        connection.execute(statement)
    connection.execute("COMMIT")


def rows(count: int) -> Iterator[Row]:
    """Yield the same `count` rows on every machine."""
    bits = random.Random(SEED).getrandbits
    for number in range(count):
        at = FIRST_ROW_AT + timedelta(seconds=number * SECONDS_BETWEEN_ROWS, microseconds=bits(20) % 1_000_000)
        dice = bits(64)
        yield (
            at.isoformat(timespec="microseconds"),
            f"user{dice % 120:04}",
            bits(31),
            STATUSES[(dice >> 8) % 3],
            "shell",
            COMMANDS[(dice >> 16) % 6],
            f"10.0.{dice >> 24 & 255}.{dice >> 32 & 255}",
            f"tty{1 + (dice >> 40) % 16}",
            bits(16) % 10_000,
            bits(16) % 10_000,
            (dice >> 48) % 3_600,
            15,
            1,
        )


if __name__ == "__main__":
    make_instance(Path(sys.argv[1]), int(sys.argv[2]))
