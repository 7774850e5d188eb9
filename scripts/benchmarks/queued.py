"""Many small backups: a tick that starts them, and a worker with two slots that makes them."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks import due
from benchmarks.bench import Bench, say
from benchmarks.measure import BenchmarkError
from benchmarks.report import Target, table
from benchmarks.site import DESTINATION, MANAGE, Site

TITLE = "Queue"
TICK_SECONDS, TICK_QUERIES, LOCKED_MS, SECONDS_EACH = 1.0, 1000, 200.0, 0.125
LONGEST_SECONDS = 600
INSTANCE = """\
[shop-{number}]
kind = "generic"
root = {root}
components.orders = {{kind = "sqlite", path = "orders.db"}}
"""


def run(bench: Bench) -> Iterator[str]:
    count = 500 if bench.size_mb >= 500 else 60
    site = _site(bench.directory / "site-queue", count)
    say(f"a tick with {count} schedules due")
    tick = json.loads(site.python(Path(due.__file__), str(bench.rounds)).output)
    say(f"a worker with {count} queued backups")
    seconds = _work(site, count)
    yield f"{count} instances of one tiny database each, on SQLite; of {bench.rounds} ticks the quickest:"
    yield table(
        ("", "seconds", "queries", "longest lock, ms", "backups a second"),
        [
            [
                f"a tick with {count} schedules due",
                f"{tick['seconds']:.2f}",
                str(tick["queries"]),
                f"{tick['locked_ms']:.0f}",
                "-",
            ],
            [
                "a worker with 2 slots, from its start to the last",
                f"{seconds:.1f}",
                "-",
                "-",
                f"{count / seconds:.1f}",
            ],
        ],
    )
    yield f"- {Target('the tick', tick['seconds'], TICK_SECONDS, ' s')}"
    yield f"- {Target('queries of the tick', tick['queries'], TICK_QUERIES)}"
    yield f"- {Target('longest that a tick locks the database', tick['locked_ms'], LOCKED_MS, ' ms')}"
    yield f"- {Target('seconds for each backup', seconds / count, SECONDS_EACH, ' s')}"


def _site(home: Path, count: int) -> Site:
    home.mkdir(mode=0o700)
    for name in ("backups", "shop"):
        (home / name).mkdir(mode=0o700)
    with closing(sqlite3.connect(home / "shop" / "orders.db")) as orders:
        orders.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT)")
        orders.executemany("INSERT INTO orders (note) VALUES (?)", [("x",)] * 10)
        orders.commit()
    root = json.dumps(str(home / "shop"))
    (home / "instances.toml").write_text("".join(INSTANCE.format(number=n, root=root) for n in range(count)))
    site = Site(home, {})
    site.command("migrate", "--verbosity", "0")
    site.command("adddestination", DESTINATION, "--type", "local")
    return site


def _work(site: Site, count: int) -> float:
    """Return the seconds from the start of a worker to the end of the last of `count` queued backups."""
    with (site.home / "worker.log").open("wb") as log:
        began = time.perf_counter()
        worker = subprocess.Popen([sys.executable, MANAGE, "worker"], env=site.environment(), stdout=log, stderr=log)
    uri = f"file:{site.home}/backupsite.sqlite3?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=20)) as rows:
            while (left := _left(rows)) and time.perf_counter() - began < LONGEST_SECONDS:
                time.sleep(0.2)
            took = time.perf_counter() - began
            (made,) = rows.execute("SELECT count(*) FROM backup_executions WHERE status = 'completed'").fetchone()
    finally:
        os.kill(worker.pid, signal.SIGTERM)
        worker.wait()
    if left or made != count:
        raise BenchmarkError(f"{left} of {count} backups are left, and {made} are completed: {site.home}/worker.log")
    return took


def _left(rows: sqlite3.Connection) -> int:
    (left,) = rows.execute("SELECT count(*) FROM backup_executions WHERE status IN ('queued', 'running')").fetchone()
    return int(left)
