"""Pages, the tick and commands over a long history on PostgreSQL: queries, and time in the database."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import history, pages, postgres
from benchmarks.bench import Bench, say
from benchmarks.report import Target, table
from benchmarks.site import Site

TITLE = "Scale"
DATABASE_LIMIT_MS = 200
ROUNDS = 7


def run(bench: Bench) -> Iterator[str]:
    programs = postgres.binaries()
    if programs is None:
        yield f"Left out: PostgreSQL is not installed (/{postgres.BINARIES})."
        return
    home = bench.scratch("site-scale")
    with postgres.server(programs, bench.directory.parent) as url:
        answer = measured(Site(home, {"DATABASE_URL": url}), bench.executions)
    found: dict[str, dict[str, float]] = answer["pages"]
    yield (
        f"{history.INSTANCES} instances, {history.DESTINATIONS} destinations, {bench.executions:,} executions, "
        f"{history.RESTORES:,} restores, {answer['bytes'] / 1e9:.1f} GB; {postgres.version_of(programs)}, fsync off; "
        f"median of {ROUNDS}, and the best:"
    )
    yield table(("", "queries", "database ms", "best", "wall ms"), [_row(name, row) for name, row in found.items()])
    slowest = max(found, key=lambda name: found[name]["database"])
    limit = Target(f"database time of the slowest, {slowest}", found[slowest]["database"], DATABASE_LIMIT_MS, " ms")
    yield f"- {limit}"


def measured(site: Site, executions: int) -> dict[str, Any]:
    """Return the size of the database in bytes, and what each page needs, by name."""
    site.command("migrate", "--verbosity", "0")
    say(f"making a history of {executions:,} executions")
    site.python(Path(history.__file__), str(executions))
    say("looking at every page")
    answer: dict[str, Any] = json.loads(site.python(Path(pages.__file__), str(ROUNDS)).output)
    return answer


def _row(name: str, row: dict[str, float]) -> list[str]:
    return [name, f"{row['queries']:.0f}", *(f"{row[column]:.0f}" for column in ("database", "best", "wall"))]
