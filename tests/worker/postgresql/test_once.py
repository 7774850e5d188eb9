"""Two workers on one database: every queued backup runs, and runs once."""

import pytest

from tests.support.sites.worker_site import Site
from tests.worker.test_once import COUNT, each_ran_once, run_all

pytestmark = pytest.mark.soak


def test_on_postgresql_each_runs_exactly_once(postgres_site: Site) -> None:
    each_ran_once(postgres_site, run_all(postgres_site, COUNT))
