"""What the front page costs: bytes for each instance, and no question that is asked twice."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backups.models import BackupExecution
from tests.support.pages.front_page import INDEX, row
from tests.support.rows import Status, a_drill, an_execution

pytestmark = pytest.mark.django_db
# fifty of them, with 16 kB for all else, are less than 100 kB
BYTES_OF_A_ROW = 1650


def a_month(name: str) -> None:
    """Give an instance a month in which nearly every day differs from the one before."""
    now = timezone.now()
    drilled = an_execution(name, age=timedelta(days=1), compressed_size_bytes=3_000_000)
    a_drill(drilled, verdict="passed", seconds=12.5)
    rows = [
        BackupExecution(
            instance=name, destination=drilled.destination, status=Status.FAILED, triggered_by="tests",
            created_at=now - timedelta(days=age), completed_at=now - timedelta(days=age),
        )
        for age in range(2, 30, 2)
    ]  # fmt: skip
    BackupExecution.objects.bulk_create(rows)


def test_a_page_of_fifty_instances_is_lighter_than_100_kb(admin: Client, instances: dict[str, Any]) -> None:
    instances |= {f"web-{number:03}": instances["shop"] for number in range(10)}
    weights = []
    for names in (["web-000", "web-001"], [f"web-{number:03}" for number in range(2, 10)]):
        for name in names:
            a_month(name)
        found = admin.get(INDEX).content
        weights.append(sum(len(part.partition(b"</tr>")[0]) for part in found.split(b"<tr data-row=web-")[1:]))
    assert (weights[1] - weights[0]) / 8 < BYTES_OF_A_ROW


def test_texts_keep_their_quotes_and_values_with_a_space_too(admin: Client) -> None:
    an_execution("shop", status=Status.FAILED, error_message='The option name="x" and <b a="y"> is unknown')
    assert 'The option name="x" and <b a="y"> is unknown' in row(admin, "shop").text
    assert b"data-section=instances" in admin.get(INDEX).content
    assert b'class="bs-table bs-stack bs-instances"' in admin.get(INDEX).content


def test_no_question_is_asked_twice(admin: Client) -> None:
    an_execution("shop")
    with CaptureQueriesContext(connection) as queries:
        admin.get(INDEX)
    asked = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    # of destinations there are few
    assert {sql for sql in asked if asked.count(sql) > 1 and 'FROM "backup_destinations"' not in sql} == set()
