#!/usr/bin/env python
"""Let two workers with folders of their own, as two hosts have, run schedules of every minute for some minutes.

Each slot of each schedule has to be run once: none missing, none twice, each completed, each archive there. Prints a
verdict, and ends with 1 when anything was wrong. Everything happens in a folder of its own, which is removed.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.sites.postgres_server import Postgres
from tests.support.sites.worker_site import Site, copy_of, eventually, make_home

EVERY_MINUTE = (("--interval", "minutes:1"), ("--cron", "* * * * *"))
RUNS_END_WITHIN = 60
# seconds for the workers to start, and for the last slot to be taken
STARTING = 15


@contextmanager
def arena(home: Path, *, postgres: bool) -> Iterator[Site]:
    if not postgres:
        make_home(home / "template")
        with copy_of(home / "template", home / "site") as site:
            yield site
        return
    server = Postgres()
    server.start()
    try:
        url = server.create("soak")
        make_home(home / "template", DATABASE_URL=url)
        with copy_of(home / "template", home / "site", DATABASE_URL=url) as site:
            yield site
    finally:
        server.stop()


def run_schedules(site: Site, count: int, seconds: float) -> None:
    for number, name in enumerate(site.declare(count)):
        site.manage("addschedule", name, "--instance", name, *EVERY_MINUTE[number % 2])
    for host in ("east", "west"):
        site.worker(BACKUP_WORKSPACE_ROOT=str(site.home / host), LOG_FILE=str(site.home / f"{host}.log"))
    time.sleep(seconds)
    for name in site.manage("listschedules").splitlines():
        site.manage("pauseschedule", name.partition(":")[0])
    waiting = "SELECT 1 FROM backup_executions WHERE status IN ('queued', 'running')"
    eventually(lambda: not site.rows(waiting), within=RUNS_END_WITHIN)


def slots_of(site: Site) -> Counter[tuple[str, datetime]]:
    rows = site.rows(
        "SELECT s.name, e.scheduled_for FROM backup_executions e JOIN backup_schedules s ON s.id = e.schedule_id"
    )
    return Counter((name, _moment(slot)) for name, slot in rows)


def _moment(value: Any) -> datetime:
    """SQLite keeps moments as texts, in UTC."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(value).replace(tzinfo=UTC)


def problems(site: Site, count: int, least: int) -> Iterator[str]:
    slots = slots_of(site)
    yield from (f"{name} ran {times} times for {slot}" for (name, slot), times in slots.items() if times > 1)
    for name in sorted({name for name, _ in slots}):
        mine = sorted(slot for other, slot in slots if other == name)
        if len(mine) < least:
            yield f"{name} ran {len(mine)} slots where at least {least} passed"
        gaps = [later for earlier, later in pairwise(mine) if later - earlier != timedelta(minutes=1)]
        yield from (f"{name} missed the slot before {later}" for later in gaps)
    if len({name for name, _ in slots}) != count:
        yield f"{len({name for name, _ in slots})} of {count} schedules ran"
    if site.statuses() != ["completed"]:
        yield f"runs ended as {', '.join(site.statuses())}"
    if len(site.archives()) != sum(slots.values()):
        yield f"{sum(slots.values())} runs left {len(site.archives())} archives"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=140, help="how long the workers run (default: %(default)s)")
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL instead of SQLite")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that server and workers end too
    with tempfile.TemporaryDirectory() as home, arena(Path(home), postgres=options.postgres) as site:
        found = []
        try:
            run_schedules(site, options.schedules, options.seconds)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            found.append(str(error)[-500:])
        found += problems(site, options.schedules, int((options.seconds - STARTING) // 60))
        hosts = {row[0] for row in site.rows("SELECT worker FROM backup_executions")}
        print(f"{sum(slots_of(site).values())} slots of {options.schedules} schedules in {len(hosts)} processes")
    print("\n".join(found) or "each slot once")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
