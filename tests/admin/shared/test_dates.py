"""The years, months and days that narrow a list of runs: in a short list, which is read, and in a long one."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backups.admin.shared import dates
from tests.support.pages.admin_pages import LIST
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client, an_execution

pytestmark = pytest.mark.django_db
ARROW = "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK} "


@pytest.fixture(params=[20_000, 0], ids=["short", "long"], autouse=True)
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dates, "FEW", request.param)


def run_at(*moment: int) -> None:
    an_execution(age=timezone.now() - datetime(*moment, tzinfo=UTC))  # type: ignore[arg-type]


def offered(client: Client, query: str = "") -> list[str]:
    """Return the texts of the dates in the list, first of all that of the link back."""
    return [link.text.lstrip(ARROW) for link in page_at(client, LIST + query).one("nav", class_="toplinks").all("a")]


def test_a_list_offers_the_years_months_and_days_in_which_a_run_was_created() -> None:
    for moment in ((2024, 12, 31, 12), (2025, 2, 28, 12), (2025, 3, 1, 0), (2025, 3, 1, 12), (2025, 3, 31, 23)):
        run_at(*moment)
    client = a_client(VIEW)
    assert offered(client) == ["2024", "2025"]
    year = "?created_at__year=2025"
    assert offered(client, year) == ["All dates", "February 2025", "March 2025"]
    march = f"{year}&created_at__month=3"
    assert offered(client, march) == ["2025", "March 1", "March 31"]
    assert offered(client, f"{march}&created_at__day=1") == ["March 2025"]
    page = page_at(client, f"{LIST}{march}&created_at__day=1")
    assert len(page.listed_runs()) == 2
    assert "March 1" in page.one("nav", class_="toplinks").text


def test_a_list_of_one_year_or_month_begins_with_what_divides_it() -> None:
    client = a_client(VIEW)
    run_at(2025, 3, 1)
    run_at(2025, 3, 9)
    assert offered(client) == ["2025", "March 1", "March 9"]
    run_at(2025, 5, 9)
    assert offered(client) == ["All dates", "March 2025", "May 2025"]


def test_a_filter_leaves_only_the_dates_of_what_it_lists() -> None:
    client = a_client(VIEW)
    run_at(2024, 1, 1)
    run_at(2025, 1, 1)
    an_execution("wiki", age=timezone.now() - datetime(2025, 6, 7, tzinfo=UTC), status="failed")
    assert offered(client, "?status__exact=failed") == ["2025", "June 7"]
    assert offered(client, "?instance=shop") == ["2024", "2025"]
    assert offered(client, "?q=wiki") == ["2025", "June 7"]
    assert offered(client, "?status__exact=cancelled") == []


def test_a_day_is_one_in_the_time_zone_of_the_user() -> None:
    run_at(2025, 3, 31, 23)
    client = a_client(VIEW)
    assert offered(client) == ["2025", "March 31"]
    client.post("/admin/backups/time_zone/", {"time_zone": "Europe/Berlin"})
    assert User.objects.count() == 1
    assert offered(client) == ["2025", "April 1"]


@pytest.mark.parametrize(("query", "years"), [("month=3", ["2024"]), ("day=1", ["2024", "2025"]), ("month=13", [])])
def test_a_month_or_a_day_without_a_year_is_narrowed_by_years(query: str, years: list[str]) -> None:
    run_at(2024, 3, 1)
    run_at(2025, 5, 1)
    assert offered(a_client(VIEW), f"?created_at__{query}") == years


def test_a_date_that_does_not_exist_is_refused() -> None:
    run_at(2024, 3, 1)
    run_at(2025, 3, 1)
    query = "?created_at__year=2025&created_at__month=2&created_at__day=30"
    assert a_client(VIEW).get(LIST + query).url == f"{LIST}?e=1"


def test_a_clock_that_was_wrong_once_costs_no_query_of_a_thousand_years() -> None:
    run_at(1025, 3, 1)
    run_at(2025, 3, 1)
    assert offered(a_client(VIEW)) == ["2025"]


def test_no_date_is_found_by_a_function_that_the_database_calls_for_each_row() -> None:
    client = a_client(VIEW)
    run_at(2024, 3, 1)
    run_at(2025, 3, 1)
    with CaptureQueriesContext(connection) as queries:
        assert offered(client) == ["2024", "2025"]
    assert len([query for query in queries if "created_at" in query["sql"]]) == 3
    assert not [query for query in queries if "trunc" in query["sql"].lower()]
