#!/usr/bin/env python
"""Kill workers at random moments of real backups, round after round, and check the state afterwards.

After each round no row may be running, no archive partial, no workspace left, no run claimed twice, and the site must
go on working. At the end two workers get many backups at once, the next schedule has to run, and workers that are
terminated have to end with all their processes. Prints a table and a verdict; ends with 1 when anything was wrong.
Everything happens in a folder of its own, which is removed.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from faults import FAULTS, Arena

from tests.support.sites.postgres_server import Postgres
from tests.support.sites.worker_site import Site, eventually, make_home

MEGABYTES = 64
# A run of that size takes about this long; faults are injected at a random moment of it, or shortly after.
LONGEST_WAIT = 0.9
SETTLED_WITHIN = 60
NEXT_SLOT_WITHIN = 150
ENDED = ("completed", "interrupted", "cancelled", "failed")


@dataclass
class Tally:
    rounds: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    problems: list[str] = field(default_factory=list)

    @contextmanager
    def watching(self, what: str) -> Iterator[None]:
        """Record what does not happen in time as a problem, and go on."""
        try:
            yield
        except (AssertionError, subprocess.TimeoutExpired) as error:
            self.problems.append(f"{what}: {str(error)[-500:]}")


@contextmanager
def arena(home: Path, **variables: str) -> Iterator[Arena]:
    make_home(home, **variables)
    site = Site(home, variables)
    site.declare(4)
    site.fill_big(MEGABYTES)
    site.env["BACKUP_STOP_GRACE"] = "0.2"
    try:
        yield Arena(site, site.worker())
    finally:
        site.stop_workers()


def one_round(arena: Arena, fault: Callable[[Arena, str], None], tally: Tally) -> str:
    """Queue a large and some tiny backups, inject a fault, and return how they ended."""
    names = ["big", *random.sample([f"shop-{number}" for number in range(4)], 2)]
    queued = arena.site.queue(names)
    eventually(lambda: arena.has_begun(queued[0]), within=SETTLED_WITHIN, every=0.005)
    time.sleep(random.uniform(0, LONGEST_WAIT))
    fault(arena, queued[0])
    began = time.monotonic()
    settle(arena, queued)
    tally.rounds += 1
    seconds, status = time.monotonic() - began, arena.site.status(queued[0])
    tally.slowest = max(tally.slowest, seconds)
    tally.outcomes[status] += 1
    tally.problems += [f"{fault.__name__}: {problem}" for problem in problems(arena, queued)]
    return f"{status} after {seconds:.1f} s"


def settle(arena: Arena, queued: list[str]) -> None:
    """Wait until every run has ended and nothing is left."""
    deadline = time.monotonic() + SETTLED_WITHIN
    while time.monotonic() < deadline:
        arena.tend()
        if all(arena.site.status(run_id) in ENDED for run_id in queued) and arena.site.has_settled():
            return
        time.sleep(0.1)


def problems(arena: Arena, queued: list[str]) -> Iterator[str]:
    site, log = arena.site, arena.site.log()
    for run_id in queued:
        if site.status(run_id) not in ENDED:
            yield f"{run_id} is still {site.status(run_id)}"
        if (claims := log.count(f"backup.claimed backup={run_id}")) > 1:
            yield f"{run_id} was claimed {claims} times"
    completed = sorted(f"nas/{path}" for (path,) in site.rows(
        "SELECT backup_path FROM backup_executions WHERE status = 'completed'"
    ))  # fmt: skip
    if site.archives() != completed:
        yield f"archives differ from completed rows: {sorted(set(site.archives()) ^ set(completed))}"
    if site.workspaces():
        yield f"workspaces are left: {site.workspaces()}"


def soak(home: Path, options: argparse.Namespace, **variables: str) -> dict[str, Tally]:
    tallies: dict[str, Tally] = defaultdict(Tally)
    deadline = time.monotonic() + 60 * options.minutes
    with arena(home, **variables) as here:
        for number in range(options.rounds):
            if time.monotonic() > deadline:
                print(f"... stopped after {number} rounds: {options.minutes} minutes are over", file=sys.stderr)
                break
            fault = FAULTS[number % len(FAULTS)]
            tally, said = tallies[fault.__name__], "went wrong"
            with tally.watching(fault.__name__):
                said = one_round(here, fault, tally)
            print(f"... {number + 1} {fault.__name__}: {said}", file=sys.stderr, flush=True)
        for what, look in (
            ("queued at once", partial(all_at_once, count=options.queued)),
            ("next schedule", next_schedule),
            ("terminated", told_to_end),
        ):
            with tallies[what].watching(what):
                look(here, tallies[what])
    return tallies


def all_at_once(here: Arena, tally: Tally, *, count: int) -> None:
    """Give many backups to two workers: each runs exactly once."""
    tally.rounds, site = count, here.site
    here.tend()
    names = site.declare(count)
    site.worker(BACKUP_WORKSPACE_ROOT=str(site.home / "other"))
    began = time.monotonic()
    queued = site.queue(names)
    pending = "SELECT 1 FROM backup_executions WHERE status IN ('queued', 'running')"
    while site.rows(pending) and time.monotonic() - began < 30 + 3 * count:
        time.sleep(0.5)
    tally.slowest = time.monotonic() - began
    tally.outcomes.update(site.status(run_id) for run_id in queued)
    eventually(site.has_settled)
    tally.problems += problems(here, queued)
    tally.problems += site.python(
        "from backups.service.monitoring.workers import worker_state\n"
        "for found in worker_state().problems: print(found.message)\n"
    ).splitlines()
    tally.problems += [f"{run_id} is {site.status(run_id)}" for run_id in queued if site.status(run_id) != "completed"]


def next_schedule(here: Arena, tally: Tally) -> None:
    """A schedule still runs, once, in its next slot."""
    tally.rounds, site, began = 1, here.site, time.monotonic()
    site.manage("addschedule", "next", "--instance", "shop-0", "--interval", "minutes:1")
    runs = "SELECT status FROM backup_executions WHERE scheduled_for IS NOT NULL"
    eventually(lambda: ("completed",) in site.rows(runs), within=NEXT_SLOT_WITHIN, every=0.5)
    site.manage("pauseschedule", "next")
    tally.slowest = time.monotonic() - began
    eventually(lambda: not set(site.rows(runs)) & {("queued",), ("running",)})
    tally.outcomes.update(status for (status,) in site.rows(runs))
    slots = "SELECT 1 FROM backup_executions WHERE scheduled_for IS NOT NULL GROUP BY scheduled_for HAVING COUNT(*) > 1"
    tally.problems += ["a slot was run twice" for _ in site.rows(slots)]


def told_to_end(here: Arena, tally: Tally) -> None:
    """Every worker ends in good order when it is told to, and leaves no process."""
    site, began = here.site, time.monotonic()
    workers = site.living_workers()
    for worker in workers:
        worker.tell(signal.SIGTERM)
    codes = [worker.ended() for worker in workers]
    tally.rounds, tally.slowest = len(workers), time.monotonic() - began
    tally.problems += [f"a worker ended with {code}" for code in codes if code]
    tally.problems += [f"process {pid} is left" for pid in site.processes()]


def table(title: str, tallies: dict[str, Tally]) -> str:
    lines = [
        f"\n{title}",
        f"{'fault':<16} {'rounds':>6} " + " ".join(f"{name:>11}" for name in ENDED) + "  slowest  wrong",
    ]
    for name, tally in tallies.items():
        outcomes = " ".join(f"{tally.outcomes[status]:>11}" for status in ENDED)
        lines.append(f"{name:<16} {tally.rounds:>6} {outcomes}  {tally.slowest:>6.1f}s  {len(tally.problems):>5}")
    return "\n".join([*lines, *(f"  {problem}" for tally in tallies.values() for problem in tally.problems)])


def main() -> int:
    options = arguments()
    random.seed(options.seed)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers and workers end too
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="backupsite-soak-")))
        sites: dict[str, dict[str, str]] = {"SQLite": {}}
        if options.database != "sqlite":
            server = Postgres()
            server.start()
            stack.callback(server.stop)
            sites["PostgreSQL"] = {"DATABASE_URL": server.create("soak")}
        if options.database == "postgresql":
            del sites["SQLite"]
        print(f"seed {options.seed}")
        wrong = 0
        for name, variables in sites.items():
            tallies = soak(folder / name, options, **variables)
            print(table(name, tallies), flush=True)
            wrong += sum(len(tally.problems) for tally in tallies.values())
    print(f"\n{wrong} findings" if wrong else "\nnothing was wrong")
    return 1 if wrong else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100, help="rounds on each database (default: %(default)s)")
    parser.add_argument("--queued", type=int, default=200, help="backups queued at once (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=30, help="at most so long (default: %(default)s)")
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeats the moments of a soak")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
