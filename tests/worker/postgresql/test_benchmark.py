"""The benchmark of a long history, on few rows: it still runs against the present models and pages."""

import json
from pathlib import Path

from tests.support.sites.worker_site import Site

BENCHMARKS = Path(__file__).parents[3] / "scripts/benchmarks"
EXECUTIONS, INSTANCES = 120, 8


def test_the_benchmark_of_a_long_history_fills_the_database_and_measures_every_page(postgres_site: Site) -> None:
    postgres_site.program(BENCHMARKS / "history.py", str(EXECUTIONS), str(INSTANCES))
    measured = json.loads(postgres_site.program(BENCHMARKS / "pages.py", "1"))

    assert postgres_site.rows("SELECT count(*) FROM backup_executions")[0][0] >= EXECUTIONS
    assert {"front page", "restores", "keys", "catalogue", "tick", "`listbackups`"} <= measured["pages"].keys()
    assert all(page["queries"] > 0 for page in measured["pages"].values())
