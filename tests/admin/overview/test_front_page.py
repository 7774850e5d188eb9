"""The front page: is everything safe?"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backups.models import BackupExecution, Heartbeat, InstanceState
from destinations.models import BackupDestination
from tests.support.pages.admin_pages import LIST, START, url
from tests.support.pages.parsed import Element, page_at
from tests.support.pages.restore_pages import SEE, a_restore, an_outcome
from tests.support.pages.schedule_pages import a_schedule
from tests.support.rows import VIEW, Status, a_client, a_destination, a_drill, a_manifest, an_execution

pytestmark = pytest.mark.django_db
INDEX = "/admin/"
DAYS = timedelta(days=1)
HOURS = timedelta(hours=1)


def banner(client: Client) -> tuple[str, str]:
    """Return how bad the worst is, and the line that says so."""
    found = page_at(client, INDEX).field("banner")
    return found.status, found.text


def row(client: Client, instance: str) -> Element:
    return page_at(client, INDEX).section("instances").row(instance)


@pytest.mark.usefixtures("worker")
def test_all_is_well_when_every_instance_has_a_backup_of_today() -> None:
    an_execution("shop", age=3 * HOURS)
    execution = an_execution("wiki", age=23 * HOURS)
    client = a_client(VIEW)
    assert banner(client) == ("good", "All 2 instances have a good backup of the last 24 hours.")
    wiki = row(client, "wiki")
    assert (wiki.status, wiki.flags()) == ("safe", [])
    assert wiki.facts("last_good_backup", "compressed_size_bytes", "last_failure", "freshness") == {
        "last_good_backup": execution.pk,
        "compressed_size_bytes": "1004096",
        "last_failure": "",
        "freshness": "",
    }
    assert wiki.field("started_at").text == "23 h ago"
    assert wiki.all(data_run="*") == []


def test_what_needs_attention_is_named_the_most_urgent_first() -> None:
    execution = an_execution("shop", age=3 * DAYS)
    client = a_client(VIEW)
    severity, text = banner(client)
    assert severity == "bad"
    assert text.startswith("2 of 2 ")
    assert 0 < text.index("wiki has no backup") < text.index("shop was 3 days ago")
    shop, wiki = row(client, "shop"), row(client, "wiki")
    assert (shop.status, shop.field("last_good_backup").value) == ("late", execution.pk)
    assert (wiki.status, wiki.field("last_good_backup").value) == ("never", "")


def no_destination(client: Client) -> Client:
    BackupDestination.objects.update(enabled=False)
    return a_client(VIEW, "run_backup", name="carol")


def a_pending_rule(client: Client) -> Client:
    BackupDestination.objects.update(rule_pending_since=timezone.now())
    return client


def a_restart(client: Client) -> Client:
    InstanceState.objects.create(
        instance="shop", restart_required_since=timezone.now(), restart_required_by=a_restore().pk
    )
    return client


def a_configuration_with_errors(client: Client) -> Client:
    InstanceState.objects.create(instance="shop", config_problem="line 183: neither a section nor a key")
    return client


def a_drill_without_a_verdict(client: Client) -> Client:
    a_drill(BackupExecution.objects.filter(instance="shop").latest("created_at"), status=Status.FAILED)
    return client


def no_worker(client: Client) -> Client:
    Heartbeat.objects.all().delete()
    return client


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("bring_about", "named"),
    [
        (no_worker, "no worker has ever answered"),
        (no_destination, "no destination is enabled"),
        (a_pending_rule, "the retention rule of nas is not confirmed"),
        (a_restart, "shop has to be restarted"),
        (a_configuration_with_errors, "the configuration of shop has errors"),
        (a_drill_without_a_verdict, "the last drill of shop came to no verdict"),
    ],
)
def test_the_banner_is_a_warning_while_the_page_shows_one(bring_about: Callable[[Client], Client], named: str) -> None:
    an_execution("shop")
    an_execution("wiki")
    client = a_client(VIEW)
    assert banner(client)[0] == "good"
    client = bring_about(client)
    assert banner(client) == ("warning", f"All 2 instances have a good backup of the last 24 hours, but {named}.")
    an_execution("wiki", status=Status.FAILED)
    assert banner(client)[0] == "bad"


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("instance", "stage", "state", "named"),
    [
        ("shop", "applying", "applying", "1 of 2 instances needs attention: shop may be half restored."),
        ("shop", "finishing", "restored", "1 of 2 instances needs attention: the end of a restore of shop went wrong."),
        ("gone", "applying", "applying", "1 of 3 instances needs attention: gone may be half restored."),
    ],
)
def test_the_banner_is_bad_while_an_instance_may_be_half_restored(
    instance: str, stage: str, state: str, named: str
) -> None:
    an_execution("shop")
    an_execution("wiki")
    a_restore(
        instance=instance, status=Status.FAILED, stage=stage, outcome=an_outcome(state),
        safety_backup=an_execution(instance, kind="safety"),
    )  # fmt: skip
    client = a_client(VIEW, SEE)
    assert banner(client) == ("bad", named)
    # who may not see restores is not shown that one
    assert banner(a_client(VIEW, name="eve"))[0] == "good"


def test_only_three_of_many_are_named(instances: dict[str, Any]) -> None:
    instances |= {f"site{number}": instances["shop"] for number in range(4)}
    _, text = banner(a_client(VIEW))
    assert text.endswith("shop has no backup; site0 has no backup; site1 has no backup; and 3 more.")


@pytest.mark.parametrize("status", [Status.FAILED, Status.INTERRUPTED])
def test_a_failure_after_the_good_one_needs_attention(status: Status) -> None:
    good = an_execution("shop", age=5 * HOURS)
    an_execution("wiki")
    failure = an_execution("shop", age=1 * HOURS, status=status, error_message="the disk is full")
    client = a_client(VIEW)
    severity, text = banner(client)
    assert (severity, text.startswith("1 of 2 ")) == ("bad", True)
    assert "the last attempt at shop failed" in text
    shop = row(client, "shop")
    assert shop.status == "failing"
    assert shop.facts("last_good_backup", "last_failure", "error_message") == {
        "last_good_backup": good.pk,
        "last_failure": failure.pk,
        "error_message": "the disk is full",
    }
    assert url(failure) in shop.links()


@pytest.mark.usefixtures("worker")
def test_a_failure_before_the_good_one_and_a_cancelled_one_do_not() -> None:
    an_execution("wiki")
    an_execution("shop", age=5 * HOURS)
    an_execution("shop", age=9 * HOURS, status=Status.FAILED)
    an_execution("shop", age=1 * HOURS, status=Status.CANCELLED)
    client = a_client(VIEW)
    assert banner(client)[0] == "good"
    assert row(client, "shop").status == "safe"


@pytest.mark.parametrize("gone", ["deleted_at", "missing_at", "deleting_at"])
def test_an_archive_that_is_gone_is_no_good_backup(gone: str) -> None:
    an_execution("wiki")
    old = an_execution("shop", age=3 * DAYS)
    an_execution("shop", **{gone: timezone.now()})
    client = a_client(VIEW)
    assert "shop was 3 days ago" in banner(client)[1]
    shop = row(client, "shop")
    assert (shop.status, shop.field("last_good_backup").value) == ("late", old.pk)


def test_what_runs_now_is_shown_live_and_before_what_waits() -> None:
    an_execution("shop", status=Status.QUEUED, age=timedelta(minutes=9))
    run = an_execution("shop", status=Status.RUNNING, heartbeat_at=timezone.now(), stage="packing", progress_percent=40)
    waiting = an_execution("wiki", status=Status.QUEUED, age=timedelta(0))
    client = a_client(VIEW)
    state = row(client, "shop").run()
    assert (state["data-live"], state["data-status-url"], state.status) == (run.pk, f"{LIST}status/", "running")
    assert (state.one("progress")["value"], state.field("detail").text) == ("40", "Packing, 40%")
    state = row(client, "wiki").run()
    assert (state["data-live"], state.status) == (waiting.pk, "queued")


@pytest.mark.usefixtures("worker")
def test_an_instance_is_judged_by_what_its_schedules_promise() -> None:
    a_schedule("shop-often", type="interval", expression="hours:2")
    a_schedule("wiki-seldom", instance="wiki", type="interval", expression="days:3")
    an_execution("shop", age=timedelta(hours=4))
    an_execution("wiki", age=timedelta(days=2))
    client = a_client(VIEW)
    assert banner(client)[0] == "bad"
    shop, wiki = row(client, "shop"), row(client, "wiki")
    assert (shop.status, shop.field("freshness").value) == ("late", str(3 * 3600))
    assert (wiki.status, wiki.field("freshness").value) == ("safe", str(73 * 3600))
    assert all(one.field("next_run").value > timezone.now().isoformat() for one in (shop, wiki))
    an_execution("shop")
    assert banner(client) == ("good", "All 2 instances have a good backup that is not overdue.")
    no_worker(client)
    severity, text = banner(client)
    assert severity == "warning"
    assert text.startswith("All 2 instances have a good backup that is not overdue, but no worker ")


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
    assert (row(client, "shop").status, row(client, "shop").flags()) == ("safe", ["configuration-changed"])
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
    for number in (2, 200):
        instances |= {f"site{index}": instances["shop"] for index in range(number)}
        for name in list(instances)[: number // 2]:
            an_execution(name, age=2 * DAYS)
            an_execution(name, status=Status.FAILED)
            an_execution(name, status=Status.QUEUED, kind="scheduled")
            a_schedule(f"{name}-{number}", instance=name, type="interval", expression=f"hours:{number}")
        with CaptureQueriesContext(connection) as queries:
            assert page_at(client, INDEX).html.count(START) == len(instances)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 24
