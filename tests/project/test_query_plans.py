"""No page and no endpoint reads the whole history to show what is new: SQLite's plans of their queries.

Pages are requested over a few rows. The plans are those of a site before its first ANALYZE, and those of one with a
long history after it.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from backups.models import BackupCopy, BackupExecution, BackupSchedule
from backups.models.querysets import MANY
from tests.support.databases.statistics import pretend_a_long_history
from tests.support.protected import a_protected_backup
from tests.support.rows import Status, a_destination, an_execution

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "sqlite", reason="the plans are read as SQLite writes them"),
]
TOKEN = "t" * 40
PAGES = (
    *("/admin/", "/admin/backups/coming/", "/admin/backups/instances/shop/"),
    *("/admin/backups/backupexecution/?instance=shop", "/health", "/metrics"),
)
# restores are made by persons: there are few
LARGE = ("backup_executions", "backup_copies", "drill_executions", "copy_executions", "backup_notices", "_logs", "_log")
# all rows, or those with a value that most of them have
READS_MUCH = re.compile(
    r"SCAN|SEARCH .*\((deleted_at=\? AND missing_at=\? AND |instance=\? AND )?(status|state|kind)=\?\)"
)
# few wait or run, whatever statistics say of a status on average, and few archives are missing; copies are counted
# along an index of what the answer needs, at most every five minutes
EXPECTED = re.compile(
    r"\"status\" (= |IN \()'(queued|running)'|USING INDEX execution_missing|COVERING INDEX copy_usage"
)


@pytest.fixture
def site(home: None, declare: Callable[[str], None], settings: Settings, client: Client) -> Client:
    """Return a client that sees all, with an instance for which each part of a page has something to ask."""
    settings.BACKUP_MONITORING_TOKEN = TOKEN
    # more than MANY: of few names SQLite has other plans
    text = '[{}]\nkind = "generic"\nroot = "/srv/shop"\ncomponents.orders = {{kind = "sqlite", path = "orders.db"}}\n'
    declare("".join(map(text.format, ["shop", *(f"web-{number}" for number in range(MANY))])))
    client.force_login(User.objects.create_superuser("alice"))
    now = timezone.now()
    BackupSchedule.objects.create(
        name="nightly", instance="shop", destination=a_destination(), type="interval", expression="hours:1",
        active_since=now - timedelta(days=2), next_run=now,
    )  # fmt: skip
    a_protected_backup("shop")
    an_execution("shop", status=Status.FAILED)
    an_execution("shop", status=Status.RUNNING, heartbeat_at=now)
    return client


def asked(site: Client, page: str) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        answer = site.get(page, headers={"Authorization": f"Bearer {TOKEN}"})
    # no worker runs
    assert answer.status_code == (503 if page == "/health" else 200)
    return [query["sql"] for query in queries if query["sql"].startswith("SELECT")]


def reading_much(queries: Iterable[str]) -> Iterator[str]:
    """Yield the steps of the plans of `queries` that read much of a large table."""
    with connection.cursor() as cursor:
        for sql in queries:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            for *_, step in cursor.fetchall():
                name = step.split()[1] if READS_MUCH.match(step) else ""
                # a subquery calls its table by an alias
                alias = re.search(rf'"(\w+)" {name}\b', sql)
                table = alias[1] if alias else name
                is_a_seek = "instance=?" in step and "LIMIT" in sql
                if table.endswith(LARGE) and not is_a_seek and not EXPECTED.search(f"{sql} {step}"):
                    yield f"{step} ({table}): {sql}"


def test_no_page_reads_the_whole_history(site: Client) -> None:
    each = {sql for page in PAGES for sql in asked(site, page)}
    assert list(reading_much(each)) == [], "before the first ANALYZE"
    pretend_a_long_history()
    assert list(reading_much(each)) == [], "after it"


@pytest.mark.parametrize(
    "rows",
    [
        BackupExecution.objects.completed().with_open_drop().order_by(),
        BackupExecution.objects.filter(pk__in=BackupExecution.objects.filter(comment="x").values("pk")),
        BackupCopy.objects.filter(size_bytes=1),
    ],
    ids=["by a status", "in a subquery", "by no index"],
)
def test_what_reads_it_is_found(rows: QuerySet[Any]) -> None:
    with CaptureQueriesContext(connection) as queries:
        list(rows)
    assert len(list(reading_much([queries[0]["sql"]]))) == 1
