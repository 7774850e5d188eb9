"""The list of schedules."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backups.models import BackupSchedule
from tests.support.pages.parsed import page_at
from tests.support.pages.schedule_pages import ADD, LIST, PREVIEW, RUN, SEE, a_schedule, url
from tests.support.rows import a_client, a_destination

pytestmark = pytest.mark.django_db


def test_the_list_says_what_runs_when_and_how_it_went() -> None:
    row = a_schedule(last_status="completed", last_run=timezone.now() - timedelta(hours=3))
    assert row.next_run is not None
    (found,) = page_at(a_client(SEE), LIST).listed()
    assert found.one(class_="field-name").text == "nightly"
    assert (found.field("state").status, found.field("last_status").status) == ("safe", "completed")
    assert found.field("detail").text.startswith("next in ")
    assert row.last_run is not None
    assert found.facts("instance", "destination", "cadence", "next_run", "last_run") == {
        "instance": "shop",
        "destination": "nas",
        "cadence": "cron 0 2 * * *",
        "next_run": row.next_run.isoformat(),
        "last_run": row.last_run.isoformat(),
    }
    assert found.field("next_run").text == f"{row.next_run:%Y-%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("fields", "status", "label", "detail"),
    [
        ({"enabled": False}, "paused", "Paused", "does not run"),
        ({"consecutive_failures": 3}, "failing", "Failing 3 in a row", "next in "),
        ({"type": "manual", "expression": ""}, "manual", "Manual", "runs only by Run now"),
        (
            {"enabled": False, "managed_by": "configuration of shop"},
            "paused",
            "Paused",
            "no longer declared in the configuration of shop",
        ),
    ],
)
def test_the_status_marks_what_needs_attention(fields: dict[str, Any], status: str, label: str, detail: str) -> None:
    a_schedule(**fields)
    (row,) = page_at(a_client(SEE), LIST).listed()
    assert (row.field("state").status, row.field("state").text) == (status, label)
    assert row.field("detail").text.startswith(detail)


def test_a_coming_retry_and_a_lost_next_run_are_shown() -> None:
    a_schedule(consecutive_failures=1)
    BackupSchedule.objects.update(retry_at=timezone.now() + timedelta(seconds=63))
    client = a_client(SEE)
    (row,) = page_at(client, LIST).listed()
    assert row.field("state").status == "failing"
    assert row.field("detail").text in ("again in 1 min 2 s", "again in 1 min 3 s")
    BackupSchedule.objects.update(retry_at=None, next_run=None, consecutive_failures=0)
    (row,) = page_at(client, LIST).listed()
    assert (row.field("state").status, row.field("state").text) == ("failing", "No next run")


def test_search_and_filters_find_a_schedule() -> None:
    a_schedule()
    a_schedule("hourly", instance="wiki", destination=a_destination("offsite"))
    client = a_client(SEE)
    for query in (
        "?q=hourly",
        "?q=wiki",
        "?q=offsite",
        "?instance=wiki",
        "?destination__id__exact=" + a_destination("offsite").pk,
    ):
        names = [row.one(class_="field-name").text for row in page_at(client, LIST + query).listed()]
        assert names == ["hourly"], query


def test_the_number_of_queries_does_not_grow_with_the_schedules() -> None:
    client, counts = a_client(SEE, RUN), []
    for count in (2, 40):
        for number in range(count):
            a_schedule(f"s{count}-{number}", destination=a_destination(f"d{number}"))
        with CaptureQueriesContext(connection) as queries:
            assert client.get(LIST).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 12


@pytest.mark.parametrize("permission", ["view_backupexecution", RUN])
def test_who_may_not_see_schedules_is_refused(permission: str) -> None:
    row = a_schedule()
    client = a_client(permission)
    assert [client.get(page).status_code for page in (LIST, ADD, url(row), PREVIEW)] == [403] * 4
