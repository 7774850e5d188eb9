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
from datetime import datetime, timedelta
from pathlib import Path

DEMO = Path(__file__).resolve().parents[2] / "tests" / "data" / "instance"
ACCOUNTING = Path("data", "tacacs_accounting.db")
SEED = 7
MEGABYTE = 1_000_000
BYTES_PER_ROW = 330  # with its share of the indexes, measured
FIRST_ROW_AT = datetime(2026, 1, 1)  # noqa: DTZ001 - as the service writes it
COMMANDS = (
    "show running-config",
    "show interfaces GigabitEthernet0/%d",
    "configure terminal",
    "ip route 10.%d.0.0 255.255.0.0",
    "write memory",
    "show version",
    "clear counters",
    "ping 192.0.2.%d",
    "show log | include %d",
)
COLUMNS = (
    "timestamp, username, session_id, status, service, command, client_ip, port, start_time, bytes_in, bytes_out, "
    "elapsed_time, privilege_level, attributes"
)
CACHE_KIB = 200_000
Row = tuple[str, str, int, str, str, str, str, str, str, int, int, int, int, str]


def make_instance(root: Path, megabytes: int) -> None:
    """Copy the demo instance to `root` and add rows to its accounting database, to about `megabytes` (10^6 bytes)."""
    shutil.copytree(DEMO, root)
    count = megabytes * MEGABYTE // BYTES_PER_ROW
    marks = ", ".join("?" * len(COLUMNS.split(",")))
    with closing(sqlite3.connect(root / ACCOUNTING, isolation_level=None)) as connection:
        # this file is not needed after a crash
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        # with the indexes and triggers in place, so that the pages are filled as by a service that writes for years
        connection.execute("BEGIN")
        connection.executemany(f"INSERT INTO accounting_logs ({COLUMNS}) VALUES ({marks})", rows(count))
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode=WAL")


def rows(count: int) -> Iterator[Row]:
    """Yield the same `count` rows on every machine."""
    chance = random.Random(SEED)
    below = chance.randrange
    at = FIRST_ROW_AT
    for number in range(count):
        at += timedelta(milliseconds=below(4000))
        command = chance.choice(COMMANDS)
        if "%d" in command:
            command %= below(255)
        yield (
            at.isoformat(" "),
            f"user{below(120):04}",
            chance.getrandbits(31),
            chance.choice(("START", "STOP", "UPDATE")),
            "shell",
            command,
            f"10.{below(8)}.{below(256)}.{below(256)}",
            f"tty{below(16)}",
            at.isoformat(),
            below(10**6),
            below(10**6),
            below(3600),
            chance.choice((1, 15)),
            f'{{"task_id":"{number}","nas":"nas-{below(2000):04}.example.net","rem_addr":"198.51.100.{below(255)}"}}',
        )


if __name__ == "__main__":
    make_instance(Path(sys.argv[1]), int(sys.argv[2]))
