"""The banner of the front page: is everything safe?"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from backups.models import BackupExecution, InstanceState
from destinations.models import BackupDestination
from tests.support.pages.front_page import banner, good_of, no_worker, row
from tests.support.pages.restore_pages import SEE, a_restore, an_outcome
from tests.support.pages.schedule_pages import a_schedule
from tests.support.protected import a_protected_backup
from tests.support.rows import VIEW, Status, a_client, a_drill, an_execution

pytestmark = pytest.mark.django_db
DAYS = timedelta(days=1)
HOURS = timedelta(hours=1)


@pytest.mark.usefixtures("worker", "scheduled")
def test_all_is_well_when_every_instance_has_a_backup_of_today() -> None:
    a_protected_backup("shop", age=3 * HOURS)
    execution = a_protected_backup("wiki", age=23 * HOURS)
    assert execution.started_at is not None
    client = a_client(VIEW)
    assert banner(client) == ("good", "All 2 instances are protected.")
    wiki = row(client, "wiki")
    assert (wiki.status, wiki.flags(), wiki.all(data_reason="*")) == ("protected", [], [])
    assert good_of(wiki) == execution.pk
    assert wiki.facts("compressed_size_bytes", "proven_until") == {
        "compressed_size_bytes": "1.0 MB",
        "proven_until": f"proven until {execution.started_at:%Y-%m-%d}, restores in 12 s",
    }
    assert not wiki.has_field("last_failure")
    assert wiki.field("cadence")["title"] == f"overdue from {execution.started_at + 24 * HOURS:%Y-%m-%d %H:%M}"
    assert "(23 h ago)" in wiki.field("last_good_backup").text
    assert wiki.all(data_run="*") == []


def test_what_needs_attention_is_named_the_most_urgent_first() -> None:
    execution = an_execution("shop", age=3 * DAYS)
    client = a_client(VIEW)
    severity, text = banner(client)
    assert severity == "bad"
    assert text.startswith("2 of 2 instances are unprotected. ")
    assert 0 < text.index("no backup of wiki") < text.index("shop is 3 days old")
    shop, wiki = row(client, "shop"), row(client, "wiki")
    assert (shop.status, good_of(shop)) == ("unprotected", execution.pk)
    assert (wiki.status, good_of(wiki)) == ("unprotected", "")


def no_destination(client: Client) -> Client:
    BackupDestination.objects.update(enabled=False)
    return a_client(VIEW, "run_backup", name="carol")


def a_pending_rule(client: Client) -> Client:
    BackupDestination.objects.filter(name="nas").update(rule_pending_since=timezone.now())
    return client


def a_restart(client: Client) -> Client:
    required = {"restart_required_since": timezone.now(), "restart_required_by": a_restore().pk}
    InstanceState.objects.update_or_create(instance="shop", defaults=required)
    return client


def a_configuration_with_errors(client: Client) -> Client:
    problem = {"config_problem": "line 183: neither a section nor a key"}
    InstanceState.objects.update_or_create(instance="shop", defaults=problem)
    return client


def a_drill_without_a_verdict(client: Client) -> Client:
    a_drill(BackupExecution.objects.filter(instance="shop").latest("created_at"), status=Status.FAILED)
    return client


@pytest.mark.usefixtures("worker", "scheduled")
@pytest.mark.parametrize(
    ("bring_about", "named"),
    [
        (no_worker, "no worker has ever answered"),
        (no_destination, "no destination is enabled"),
        (a_pending_rule, "the retention rule of nas is not confirmed: it would delete more than the one before"),
    ],
)
def test_the_banner_is_a_warning_while_the_page_shows_one(bring_about: Callable[[Client], Client], named: str) -> None:
    a_protected_backup("shop")
    a_protected_backup("wiki")
    client = a_client(VIEW)
    assert banner(client)[0] == "good"
    client = bring_about(client)
    assert banner(client) == ("warning", f"All 2 instances are protected, but {named}.")


@pytest.mark.usefixtures("worker", "scheduled")
@pytest.mark.parametrize(
    ("bring_about", "code"),
    [
        (a_restart, "restart-pending"),
        (a_configuration_with_errors, "configuration-broken"),
        (a_drill_without_a_verdict, "drill-without-verdict"),
    ],
)
def test_the_banner_names_the_first_reason_of_an_instance_at_risk(
    bring_about: Callable[[Client], Client], code: str
) -> None:
    a_protected_backup("shop")
    a_protected_backup("wiki")
    client = bring_about(a_client(VIEW))
    reason, *_ = row(client, "shop").all(data_reason="*")
    assert (reason["data-reason"], row(client, "shop").status) == (code, "at-risk")
    assert banner(client) == ("warning", f"1 of 2 instances is at risk. {reason.text}")


@pytest.mark.usefixtures("worker", "scheduled")
@pytest.mark.parametrize(
    ("instance", "stage", "state", "named"),
    [
        ("shop", "applying", "applying", "1 of 2 instances is unprotected. shop may be half restored: "),
        ("shop", "finishing", "restored", "1 of 2 instances is unprotected. The end of a restore of shop went wrong: "),
        ("gone", "applying", "applying", "1 of 3 instances is unprotected. gone may be half restored: "),
    ],
)
def test_the_banner_is_bad_while_an_instance_may_be_half_restored(
    instance: str, stage: str, state: str, named: str
) -> None:
    a_protected_backup("shop")
    a_protected_backup("wiki")
    a_restore(
        instance=instance, status=Status.FAILED, stage=stage, outcome=an_outcome(state),
        safety_backup=an_execution(instance, kind="safety"),
    )  # fmt: skip
    severity, text = banner(a_client(VIEW, SEE))
    assert (severity, text.startswith(named)) == ("bad", True)
    # the level of an instance is the same for everybody
    assert banner(a_client(VIEW, name="eve")) == (severity, text)


@pytest.mark.usefixtures("worker")
def test_without_an_active_schedule_the_banner_is_a_warning() -> None:
    a_protected_backup("shop")
    a_protected_backup("wiki")
    named = "All 2 instances are protected, but no schedule is active."
    client = a_client(VIEW)
    assert banner(client) == ("warning", named)
    a_schedule("by-hand", type="manual", expression="")
    assert banner(client) == ("warning", named)
    a_schedule("paused", enabled=False)
    assert [one["data-reason"] for one in row(client, "shop").all(data_reason="*")] == ["schedules-paused"]
    a_schedule("active", type="interval", expression="days:366")
    assert banner(client)[0] == "good"


def test_a_safety_backup_is_never_the_last_good_backup() -> None:
    good = an_execution("shop", age=2 * DAYS)
    an_execution("shop", kind="safety")
    an_execution("wiki", kind="safety")
    client = a_client(VIEW)
    shop, wiki = row(client, "shop"), row(client, "wiki")
    assert (shop.status, good_of(shop)) == ("unprotected", good.pk)
    assert (wiki.status, good_of(wiki)) == ("unprotected", "")


def test_only_three_of_many_are_named(instances: dict[str, Any]) -> None:
    instances |= {f"site{number}": instances["shop"] for number in range(4)}
    _, text = banner(a_client(VIEW))
    assert text.endswith("no backup of shop. There is no backup of site0. There is no backup of site1. And 3 more.")
