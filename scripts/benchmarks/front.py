"""Front page, /health, /metrics, coming runs and `status` of 200 instances at 20 destinations: bytes and CPU time.

On SQLite before and after the first ANALYZE, and on PostgreSQL. Run as a program in the environment of a site that
``history.py`` made: ``front.py ROUNDS`` prints JSON.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

TITLE = "Front page and monitoring"
INSTANCES, DESTINATIONS, ON_SQLITE = 200, 20, 100_000
LIMIT_MS, LIMIT_BYTES = 200, 100_000
TOKEN = "of-a-benchmark-0123456789abcdef"  # noqa: S105 - of a site that is thrown away
ROUNDS = 7
ANALYZE = "from django.db import connection; connection.cursor().execute('ANALYZE')"


def run(bench: Any) -> Iterator[str]:
    from benchmarks import postgres
    from benchmarks.report import table
    from benchmarks.site import Site

    settings = {"BACKUP_MONITORING_TOKEN": TOKEN}
    site = Site(bench.scratch("site-front"), settings)
    count = min(ON_SQLITE, bench.executions)
    fill(site, count)
    rows = rows_of(f"SQLite, {count:,} backups", site)
    lists = [pages_of(site)]
    site.command("shell", "--verbosity=0", "--command", ANALYZE)
    rows += rows_of("the same after ANALYZE", site)
    lists.append(pages_of(site))
    programs = postgres.binaries()
    if programs is not None:
        with postgres.server(programs, bench.directory.parent) as url:
            site = Site(bench.scratch("site-front-postgresql"), settings | {"DATABASE_URL": url})
            fill(site, bench.executions)
            rows += rows_of(f"PostgreSQL, {bench.executions:,} backups", site)
    yield f"{INSTANCES} instances, {DESTINATIONS} destinations; median of {ROUNDS}, and the best:"
    yield table(("", "", "bytes", "queries", "CPU ms", "best", "wall ms"), rows)
    yield f"Lists and pages with SQLite, {count:,} backups; medians of {ROUNDS}, and the best:"
    yield table(("", "queries", "wall ms", "best", "after ANALYZE", "best"), side_by_side(*lists))
    yield f"- The aim: the front page under {LIMIT_MS} ms and {LIMIT_BYTES:,} bytes."


def fill(site: Any, executions: int) -> None:
    from benchmarks import history
    from benchmarks.bench import say

    site.command("migrate", "--verbosity", "0")
    say(f"making a history of {executions:,} executions")
    site.python(Path(history.__file__), str(executions), str(INSTANCES), str(DESTINATIONS))


def rows_of(where: str, site: Any) -> list[list[str]]:
    found: dict[str, dict[str, float]] = json.loads(site.python(Path(__file__), str(ROUNDS)).output)
    columns = ("bytes", "queries", "cpu", "best", "wall")
    return [[where, name, *(f"{row[column]:,.0f}" for column in columns)] for name, row in found.items()]


def pages_of(site: Any) -> dict[str, dict[str, float]]:
    from benchmarks import pages

    answer = json.loads(site.python(Path(pages.__file__), str(ROUNDS), "lists").output)
    found: dict[str, dict[str, float]] = answer["pages"]
    return found


def side_by_side(before: dict[str, Any], after: dict[str, Any]) -> list[list[str]]:
    columns = ("wall", "fastest")
    return [
        [name, f"{row['queries']:.0f}", *(f"{one[column]:.0f}" for one in (row, after[name]) for column in columns)]
        for name, row in before.items()
    ]


def measure(work: Callable[[], int], rounds: int) -> dict[str, float]:
    """Return the bytes of the answer, its queries, and milliseconds of CPU and of the clock, after one to warm up."""
    from django.db import connection

    samples, queries = [], 0

    def count(execute: Callable[..., Any], *arguments: Any) -> Any:
        nonlocal queries
        queries += 1
        return execute(*arguments)

    size = work()
    for _ in range(rounds):
        queries = 0
        cpu, wall = time.process_time(), time.perf_counter()
        with connection.execute_wrapper(count):
            size = work()
        samples.append(((time.process_time() - cpu) * 1000, (time.perf_counter() - wall) * 1000))
    cpus, walls = zip(*samples, strict=True)
    medians = {"cpu": statistics.median(cpus), "best": min(cpus), "wall": statistics.median(walls)}
    return {"bytes": size, "queries": queries, **medians}


def main(rounds: int) -> dict[str, dict[str, float]]:
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client

    from backupsite.memory import spare_collections

    # as in the process of a web server
    spare_collections()
    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.get(username="admin"))

    def page(address: str) -> int:
        return len(client.get(address, headers={"Authorization": f"Bearer {TOKEN}"}).content)

    def status() -> int:
        text = StringIO()
        # its exit code is that of the worst level
        with redirect_stdout(text), suppress(SystemExit):
            call_command("status")
        return len(text.getvalue())

    addresses = {"front page": "/admin/", "front page, page 4": "/admin/?p=4", "`/health`": "/health"}
    addresses |= {"`/metrics`": "/metrics", "coming runs": "/admin/backups/coming/"}
    found = {name: measure(lambda address=address: page(address), rounds) for name, address in addresses.items()}
    return found | {"`status`": measure(status, rounds)}


if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1])]
    os.environ["DJANGO_SETTINGS_MODULE"] = "backupsite.settings"
    import django

    django.setup()
    print(json.dumps(main(int(sys.argv[1]))))
