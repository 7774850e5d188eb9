"""The list of the front page: trouble first, search, levels, pages, what each row draws, what runs, and space."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from backups.models import BackupCopy
from backups.service.monitoring.trends.days import Outcome, days_of
from backups.service.monitoring.trends.growth import fillings
from destinations.models import BackupDestination
from tests.support.pages.front_page import INDEX
from tests.support.pages.parsed import page_at
from tests.support.protected import a_protected_backup
from tests.support.rows import VIEW, Status, a_client, a_destination, a_drill, an_execution

pytestmark = pytest.mark.django_db
DAYS = timedelta(days=1)


@pytest.fixture
def many(instances: dict[str, Any]) -> None:
    """52 instances: one protected, one at risk, and fifty that were never backed up."""
    instances |= {f"site-{number:02}": instances["shop"] for number in range(50)}
    a_protected_backup("shop")
    an_execution("wiki")


@pytest.mark.usefixtures("many")
def test_a_page_has_fifty_instances_trouble_first_and_the_levels_count_all() -> None:
    client = a_client(VIEW)
    page = page_at(client, INDEX)
    assert page.section("instances").rows() == [f"site-{number:02}" for number in range(50)]
    levels = {link["data-level"]: link.value for link in page.section("levels").all("a")}
    assert levels == {"unprotected": "50", "at-risk": "1", "protected": "1"}
    assert page.field("range").text == "1 to 50 of 52"
    following = page_at(client, INDEX + page.one(data_action="after")["href"])
    assert following.section("instances").rows() == ["wiki", "shop"]
    assert following.one(data_action="before")["href"] == "?p=1"
    assert not following.notices().count("drill-failed")


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("?level=at-risk", ["wiki"]),
        ("?q=SITE-1", [f"site-1{number}" for number in range(10)]),
        ("?q=site&level=protected", []),
        ("?level=nonsense&p=2", ["wiki", "shop"]),
        ("?p=99", ["wiki", "shop"]),
    ],
)
def test_it_is_searched_and_filtered_and_what_a_query_cannot_mean_is_ignored(query: str, rows: list[str]) -> None:
    page = page_at(a_client(VIEW), INDEX + query)
    assert ("instances" in page.sections() and page.section("instances").rows()) == (rows or False)
    assert page.has_field("none-found") == (not rows)
    # the banner is about all of them
    assert page.field("banner").text.startswith("50 of 52 instances are unprotected.")


def test_without_an_instance_it_shows_the_first_steps(instances: dict[str, Any]) -> None:
    instances.clear()
    steps = page_at(a_client(VIEW), INDEX).section("first-steps")
    assert steps.rows() == ["instance", "destination", "worker", "backup", "schedule"]
    a_destination()
    assert page_at(a_client(VIEW, name="eve"), INDEX).section("first-steps").row("destination").status == "done"


# --- the last days ------------------------------------------------------------------------------------------------
def test_each_day_is_good_proven_failed_or_none() -> None:
    now = timezone.now()
    an_execution("shop", age=4 * DAYS)
    an_execution("shop", age=4 * DAYS, status=Status.FAILED)
    a_drill(an_execution("shop", age=3 * DAYS), verdict="passed")
    an_execution("shop", age=2 * DAYS, status=Status.INTERRUPTED)
    an_execution("shop", age=2 * DAYS, kind="safety")
    a_drill(an_execution("shop", age=DAYS), verdict="failed")
    an_execution("shop", age=timedelta(), missing_at=now)
    days = days_of(["shop", "wiki"], now, 6)
    assert [day.outcome for day in days["shop"]] == ["none", "good", "proven", "failed", "failed", "failed"]
    assert [day.failures for day in days["shop"]] == [0, 1, 0, 1, 1, 1]
    assert [day.size_bytes for day in days["shop"]] == [None, 1_004_096, 1_004_096, None, None, None]
    assert {day.outcome for day in days["wiki"]} == {Outcome.NONE}


def test_the_row_draws_them_in_words_too() -> None:
    today = timezone.localdate()
    for age in (3, 2, 0):
        an_execution("shop", age=age * DAYS)
    an_execution("shop", age=DAYS, status=Status.FAILED)
    an_execution("shop", age=2 * DAYS, status=Status.FAILED)
    page = page_at(a_client(VIEW), INDEX)
    row = page.row("shop")
    days = row.field("days")
    assert days.one("title").text == f"3 good, 1 failed ({today - DAYS:%m-%d}), 26 without a backup"
    assert {part["data-day"]: part["d"] for part in days.all("path")} == {
        "none": "M0 7h181", "good": "M182 7h13M203 7h6", "failed": "M196 7h6",
    }  # fmt: skip
    assert days.value == "n" * 26 + "gGfg"
    table = page.section("instances")
    assert (table["data-until"], set(days.value) - set(json.loads(table["data-words"]))) == (str(today), set())
    assert row.has_field("trend")
    # a policy against inline styles and scripts would refuse these
    assert row.all(style="*") == []


# --- what runs, and space -----------------------------------------------------------------------------------------
def test_what_runs_on_instances_that_are_not_listed_is_shown_too(instances: dict[str, Any]) -> None:
    run = an_execution("shop", status=Status.RUNNING, heartbeat_at=timezone.now(), stage="packing", progress_percent=40)
    an_execution("wiki", status=Status.QUEUED)
    client = a_client(VIEW)
    work = page_at(client, INDEX).section("work")
    assert (work.field("running").value, work.field("running").text) == ("1", "1 running, 1 waiting.")
    assert work.rows() == []
    work = page_at(client, f"{INDEX}?q=wiki").section("work")
    assert (work.rows(), work.run().one("progress")["value"]) == ([run.pk], "40")


def test_a_destination_says_in_how_many_days_it_is_full_at_the_present_rate() -> None:
    now = timezone.now()
    near, far = a_destination("near", free_bytes=10**9), a_destination("far", free_bytes=5 * 10**9)
    a_destination("empty", free_bytes=10**9)
    for number, (place, age) in enumerate([(near, 1), (near, 2), (far, 3), (near, 40)]):
        an_execution("shop", age=age * DAYS, destination=place, compressed_size_bytes=300_000_000 + number)
    BackupCopy.objects.filter(execution__created_at__lt=now - 30 * DAYS).update(state="deleted", deleted_at=now)
    found = fillings(list(BackupDestination.objects.all()), now)
    assert [(one.destination.name, one.daily_bytes, one.days_left) for one in found] == [
        ("near", 9_999_999, 100),
        ("far", 10_000_000, 499),
        ("empty", 0, None),
    ]
    row = page_at(a_client(VIEW), INDEX).section("destinations").row("near")
    assert row.facts("free_bytes", "days_left") == {"free_bytes": "1000000000", "days_left": "100"}
