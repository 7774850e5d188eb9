"""The front page: one row an instance."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backups.models import BackupExecution, InstanceState
from backups.service.schedules.cadence import INTERVAL_EPOCH, Interval
from tests.support.pages.admin_pages import LIST, url
from tests.support.pages.front_page import INDEX, banner, good_of, no_worker, row
from tests.support.pages.parsed import page_at
from tests.support.pages.schedule_pages import a_schedule
from tests.support.protected import a_protected_backup
from tests.support.rows import VIEW, Status, a_client, a_destination, a_manifest, an_execution

pytestmark = pytest.mark.django_db
DAYS = timedelta(days=1)
HOURS = timedelta(hours=1)


@pytest.mark.parametrize("status", [Status.FAILED, Status.INTERRUPTED])
def test_a_failure_after_the_good_one_needs_attention(status: Status) -> None:
    good = a_protected_backup("shop", age=5 * HOURS)
    a_protected_backup("wiki")
    failure = an_execution("shop", age=1 * HOURS, status=status, error_message="the disk is full")
    client = a_client(VIEW)
    severity, text = banner(client)
    assert (severity, text.startswith("1 of 2 instances is at risk. ")) == ("warning", True)
    shop = row(client, "shop")
    assert (shop.status, shop.all(data_reason="last-run-failed") != []) == ("at-risk", True)
    assert good_of(shop) == good.pk
    assert url(failure) in shop.field("last_failure").links()
    assert "the disk is full" in shop.one(data_reason="last-run-failed").text


@pytest.mark.usefixtures("worker", "scheduled")
def test_a_failure_before_the_good_one_and_a_cancelled_one_do_not() -> None:
    a_protected_backup("wiki")
    a_protected_backup("shop", age=5 * HOURS)
    an_execution("shop", age=9 * HOURS, status=Status.FAILED)
    an_execution("shop", age=1 * HOURS, status=Status.CANCELLED)
    client = a_client(VIEW)
    assert banner(client)[0] == "good"
    assert row(client, "shop").status == "protected"


@pytest.mark.parametrize("gone", ["deleted_at", "missing_at", "deleting_at"])
def test_an_archive_that_is_gone_is_no_good_backup(gone: str) -> None:
    an_execution("wiki")
    old = an_execution("shop", age=3 * DAYS)
    an_execution("shop", **{gone: timezone.now()})
    client = a_client(VIEW)
    assert "of shop is 3 days old" in banner(client)[1]
    shop = row(client, "shop")
    assert (shop.status, good_of(shop)) == ("unprotected", old.pk)


def test_what_runs_now_is_shown_live_and_before_what_waits() -> None:
    an_execution("shop", status=Status.QUEUED, age=timedelta(minutes=9))
    run = an_execution("shop", status=Status.RUNNING, heartbeat_at=timezone.now(), stage="packing", progress_percent=40)
    waiting = an_execution("wiki", status=Status.QUEUED, age=timedelta(0))
    client = a_client(VIEW)
    state = row(client, "shop").run()
    assert (state["data-run"], state["data-live"], state.status) == (run.pk, f"{LIST}status/", "running")
    assert (state.one("progress")["value"], state.field("detail").text) == ("40", "Packing, 40%")
    state = row(client, "wiki").run()
    assert (state["data-run"], state.status) == (waiting.pk, "queued")


@pytest.mark.usefixtures("worker")
def test_an_instance_is_judged_by_what_its_schedules_promise() -> None:
    a_schedule("shop-often", type="interval", expression="hours:2")
    a_schedule("wiki-seldom", instance="wiki", type="interval", expression="days:3")
    an_execution("shop", age=timedelta(hours=4))
    good = a_protected_backup("wiki", age=(timezone.now() - INTERVAL_EPOCH) % (3 * DAYS))
    assert good.started_at is not None
    client = a_client(VIEW)
    assert banner(client)[0] == "bad"
    shop, wiki = row(client, "shop"), row(client, "wiki")
    overdue_from = Interval(3 * DAYS).next_after(good.started_at) + HOURS
    assert (shop.status, shop.field("cadence").text) == ("unprotected", "every 2 hours")
    assert (wiki.status, wiki.field("cadence").text) == ("protected", "every 3 days")
    assert wiki.field("cadence")["title"] == f"overdue from {overdue_from:%Y-%m-%d %H:%M}"
    assert all(one.field("next_run")["title"].startswith("in ") for one in (shop, wiki))
    a_protected_backup("shop")
    assert banner(client) == ("good", "All 2 instances are protected.")
    no_worker(client)
    severity, text = banner(client)
    assert severity == "warning"
    assert text.startswith("All 2 instances are protected, but no worker ")


def test_a_paused_schedule_is_not_the_same_as_none() -> None:
    a_schedule("shop-often", type="interval", expression="hours:2", enabled=False)
    a_schedule("wiki-by-hand", instance="wiki", type="manual", expression="")
    client = a_client(VIEW)
    assert [row(client, name).field("cadence").text for name in ("shop", "wiki")] == ["paused", "no schedule"]


def test_failures_in_a_row_are_counted() -> None:
    a_schedule("shop-often", type="interval", expression="hours:2", consecutive_failures=4)
    assert row(a_client(VIEW), "shop").field("consecutive_failures").value == "4"


def test_a_configuration_that_is_another_than_in_the_last_backup_is_shown() -> None:
    manifest = a_manifest("shop", config_hash="b" * 64).to_dict()
    an_execution("shop", manifest_json=manifest)
    client = a_client(VIEW)
    InstanceState.objects.create(instance="shop", config_hash="b" * 64)
    assert row(client, "shop").flags() == []
    InstanceState.objects.update(config_hash="c" * 64)
    assert row(client, "shop").flags() == ["configuration-changed"]
    BackupExecution.objects.update(adopted=True)
    assert row(client, "shop").flags() == []


def test_a_backup_without_a_configuration_cannot_differ_from_one() -> None:
    an_execution("shop")
    InstanceState.objects.create(instance="shop", config_hash="b" * 64)
    assert row(a_client(VIEW), "shop").flags() == []


def test_users_see_what_they_may() -> None:
    a_destination()
    an_execution("shop")
    assert page_at(a_client(VIEW), INDEX).content.actions() == set()
    nothing = page_at(a_client("run_backup", name="carol"), INDEX)
    assert not nothing.has_field("banner")
    assert "shop" not in nothing.html


def test_the_number_of_queries_does_not_grow_with_the_instances(instances: dict[str, Any]) -> None:
    client, counts = a_client(VIEW, "run_backup"), []
    for number in (2, 20):
        instances |= {f"site{index}": instances["shop"] for index in range(number)}
        for name in list(instances)[: number // 2]:
            an_execution(name, age=2 * DAYS)
            an_execution(name, status=Status.FAILED)
            an_execution(name, status=Status.QUEUED, kind="scheduled")
            a_schedule(f"{name}-{number}", instance=name, type="interval", expression=f"hours:{number}")
        with CaptureQueriesContext(connection) as queries:
            assert len(page_at(client, INDEX).section("instances").rows()) == len(instances)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 52
