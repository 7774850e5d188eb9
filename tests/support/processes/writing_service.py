"""A service in a process of its own: it has databases open, reads and writes them without a pause, keeps score."""

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from typing import Any

WATCHED_ROWS = 200
SERVICE = """
import json, sqlite3, sys, time
paths = sys.argv[1:]
connections = {path: sqlite3.connect(path, isolation_level=None, timeout=0.1) for path in paths}
score = {path: {"states": [], "errors": [], "written": [], "longest_lock": 0.0, "locked_since": None} for path in paths}
number = 0
def turn(path):
    connection, mine = connections[path], score[path]
    seen = connection.execute("SELECT state, count(*) FROM watched GROUP BY state").fetchall()
    if not mine["states"] or mine["states"][-1] != seen:
        mine["states"].append(seen)
    connection.execute("INSERT INTO written(number) VALUES (?)", [number])
    mine["written"].append((number, len(mine["states"])))
def lock_ended(mine):
    if mine["locked_since"] is not None:
        mine["longest_lock"] = max(mine["longest_lock"], time.monotonic() - mine["locked_since"])
        mine["locked_since"] = None
for path in paths:
    turn(path)
print("serving", flush=True)
sys.stdin.readable()
import select
while not select.select([sys.stdin], [], [], 0)[0]:
    number += 1
    for path in paths:
        mine = score[path]
        try:
            turn(path)
            lock_ended(mine)
        except sqlite3.Error as error:
            if str(error) != "database is locked":
                mine["errors"].append(str(error))
                continue
            mine["locked_since"] = mine["locked_since"] or time.monotonic()
    time.sleep(0.001)
for path in paths:
    lock_ended(score[path])
print(json.dumps(score), flush=True)
"""


def prepare(database: Path) -> None:
    """Add the tables that the service reads and writes, in the state "backup"."""
    with closing(connect(database)) as connection:
        connection.execute("CREATE TABLE watched(id INTEGER PRIMARY KEY, state TEXT)")
        connection.executemany("INSERT INTO watched(state) VALUES (?)", [["backup"]] * WATCHED_ROWS)
        connection.execute("CREATE TABLE written(id INTEGER PRIMARY KEY, number INTEGER)")
        connection.commit()


def move_on(database: Path) -> None:
    """What was backed up is old now."""
    with closing(connect(database)) as connection:
        connection.execute("UPDATE watched SET state = 'later'")
        connection.commit()


class Service:
    """The process; `score` says per database what it saw and did, once it has ended."""

    def __init__(self, databases: Sequence[Path]) -> None:
        self._databases = databases
        self.score: dict[str, Any] = {}

    def __enter__(self) -> "Service":
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVICE, *map(str, self._databases)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "serving\n"
        return self

    def __exit__(self, *exc_info: object) -> None:
        output, _ = self._process.communicate("stop\n", timeout=60)
        self.score = json.loads(output)
