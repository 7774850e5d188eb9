"""The banner of the front page: is everything safe?"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from backups.models import BackupExecution, InstanceState
from destinations.models import BackupDestination
from tests.support.pages.front_page import banner, no_worker, row
from tests.support.pages.restore_pages import SEE, a_restore, an_outcome
from tests.support.rows import VIEW, Status, a_client, a_drill, an_execution

pytestmark = pytest.mark.django_db
DAYS = timedelta(days=1)
HOURS = timedelta(hours=1)


@pytest.mark.usefixtures("worker")
def test_all_is_well_when_every_instance_has_a_backup_of_today() -> None:
    an_execution("shop", age=3 * HOURS)
    execution = an_execution("wiki", age=23 * HOURS)
    assert execution.started_at is not None
    client = a_client(VIEW)
    assert banner(client) == ("good", "All 2 instances have a good backup of the last 24 hours.")
    wiki = row(client, "wiki")
    assert (wiki.status, wiki.flags()) == ("safe", [])
    assert wiki.facts("last_good_backup", "compressed_size_bytes", "last_failure", "freshness") == {
        "last_good_backup": execution.pk,
        "compressed_size_bytes": "1004096",
        "last_failure": "",
        "freshness": (execution.started_at + 24 * HOURS).isoformat(),
    }
    assert wiki.field("started_at").text.endswith("(23 h ago)")
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
