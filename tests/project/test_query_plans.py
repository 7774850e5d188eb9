"""No page and no endpoint reads the whole history to show what is new: SQLite's plans of their queries.

Pages are requested over a few rows. The plans are those of a site before its first ANALYZE, and those of one with a
long history after it.
"""

import re
from collections.abc import Callable
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
from tests.support.databases.plans import reading_much
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
# the days that a page shows, and restore points up to 10,000
BOUNDED = re.compile(r"created_at>\?|deleted_at>\?|LIMIT 10001\) subquery$")


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


def test_no_page_reads_the_whole_history(site: Client) -> None:
    each = {sql for page in PAGES for sql in asked(site, page)}
    for when in ("before the first ANALYZE", "after it"):
        assert [much for much in reading_much(each) if not BOUNDED.search(much)] == [], when
        pretend_a_long_history()


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
