"""SQLite files as services leave them, and processes that write into them."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

ROW = "INSERT INTO orders(item, amount) VALUES (?, ?)"


def make_database(path: Path, *, rows: int = 10, blob_bytes: int = 20, journal: str = "DELETE", page: int = 0) -> Path:
    """Make a database with `rows` orders of random content, which does not compress."""
    with closing(sqlite3.connect(path)) as connection:
        if page:
            connection.execute(f"PRAGMA page_size={page}")
        connection.execute(f"PRAGMA journal_mode={journal}")
        connection.execute("CREATE TABLE orders(id INTEGER PRIMARY KEY, item BLOB, amount INTEGER)")
        connection.executemany(ROW, ((os.urandom(blob_bytes), number) for number in range(rows)))
        connection.commit()
    return path


def rows_of(path: Path, sql: str = "SELECT * FROM orders ORDER BY id") -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def dump_of(connection: sqlite3.Connection) -> list[list[tuple[object, ...]]]:
    """Return the schema and the rows of every table: not every SQLite module has ``iterdump``."""
    schema = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
    names = ['"' + name.replace('"', '""') + '"' for kind, name, _sql in schema if kind == "table"]
    return [schema, *(connection.execute(f"SELECT * FROM {name}").fetchall() for name in names)]


@contextmanager
def exclusively_locked(path: Path) -> Iterator[sqlite3.Connection]:
    """Hold the lock that lets nobody write and, but for WAL, nobody read: a service in one long transaction."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("BEGIN EXCLUSIVE")
        yield connection
    finally:
        connection.close()


TRANSFERS = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0.1)
connection.execute("PRAGMA synchronous=NORMAL")
commits, slowest = 0, 0.0
while commits < 1_000_000:
    before = time.perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE purse SET amount = amount - 1 WHERE owner = 'left'")
    connection.execute("UPDATE chest SET amount = amount + 1 WHERE owner = 'right'")
    connection.execute("INSERT INTO log(note) VALUES (randomblob(200))")
    connection.execute("COMMIT")
    slowest = max(slowest, time.perf_counter() - before)
    commits += 1
    if commits == 1:
        print("writing", flush=True)
    if commits % 50 == 0 and connection.execute("SELECT stop FROM control").fetchone()[0]:
        break
print(commits, slowest, flush=True)
"""


def make_bank(path: Path, *, megabytes: int) -> Path:
    """Make a WAL database in which 1000 coins lie in two tables, beside ballast that makes its copy take time."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE purse(owner TEXT, amount INTEGER)")
        connection.execute("CREATE TABLE ballast(content BLOB)")
        connection.execute("CREATE TABLE chest(owner TEXT, amount INTEGER)")
        connection.execute("CREATE TABLE log(note BLOB)")
        connection.execute("CREATE TABLE control(stop INTEGER)")
        connection.execute("INSERT INTO purse VALUES ('left', 1000)")
        connection.executemany("INSERT INTO ballast VALUES (?)", ((os.urandom(1 << 20),) for _ in range(megabytes)))
        connection.execute("INSERT INTO chest VALUES ('right', 0)")
        connection.execute("INSERT INTO control VALUES (0)")
        connection.commit()
    return path


def coins(path: Path) -> int:
    ((total,),) = rows_of(path, "SELECT (SELECT sum(amount) FROM purse) + (SELECT sum(amount) FROM chest)")
    return int(str(total))


class Writer:
    """A process that moves coins from one table to the other, one transaction after another, and never waits for a lock
    longer than 100 ms: then it dies of "database is locked"."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.commits, self.slowest_seconds = 0, 0.0

    def __enter__(self) -> "Writer":
        self.process = subprocess.Popen(
            [sys.executable, "-c", TRANSFERS, str(self.path)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "writing\n"
        return self

    def __exit__(self, *exc_info: object) -> None:
        with closing(sqlite3.connect(self.path, timeout=10)) as connection:
            connection.execute("UPDATE control SET stop = 1")
            connection.commit()
        output, self.errors = self.process.communicate(timeout=20)
        if self.process.returncode == 0:
            commits, slowest = output.split()
            self.commits, self.slowest_seconds = int(commits), float(slowest)


HALF_WRITTEN = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size=1")
connection.execute("PRAGMA cache_spill=1")
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE orders SET item = randomblob(900)")
os.kill(os.getpid(), signal.SIGKILL)
"""


def leave_hot_journal(path: Path) -> None:
    """Kill a process in the middle of a transaction that it has begun to write into the file."""
    killed = subprocess.run([sys.executable, "-c", HALF_WRITTEN, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.with_name(path.name + "-journal").stat().st_size > 0
