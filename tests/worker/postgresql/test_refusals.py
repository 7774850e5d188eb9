"""A PostgreSQL that may be read only, that lets nobody in, and that is not there: `checkoverdue` says which at once."""

import json

from tests.support.sites.postgres_server import Postgres, free_port
from tests.support.sites.worker_site import Site

LOOK = """
import json
import psycopg
from django.db import connections
from backups.outside.problem import Severity
from backups.service.monitoring.check_overdue import problems_here
def look():
    found = [problem for problem in problems_here(20) if problem.severity is Severity.CRITICAL]
    print(json.dumps({{problem.key: problem.is_silence for problem in found if problem.key.startswith("database")}}))
def change(sql):
    with psycopg.connect({server!r}, autocommit=True) as server:
        server.execute(sql)
look()
change('ALTER DATABASE "{name}" SET default_transaction_read_only = on')
look()
change('ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
look()
connections.settings["default"]["PORT"] = {port}
look()
"""


def test_a_database_that_refuses_writes_or_connections_is_reported_at_once(
    postgres_site: Site, postgres: Postgres
) -> None:
    name = postgres_site.env["DATABASE_URL"].rpartition("/")[2]
    script = LOOK.format(server=postgres.url("postgres"), name=name, port=free_port())
    whole, read_only, shut, away = map(json.loads, postgres_site.python(script).splitlines())
    assert whole == {}
    assert read_only == {"database-refuses-writes": True}
    assert shut == away == {"database-unusable": True}
