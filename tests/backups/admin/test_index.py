"""The front page: is everything safe?"""

import html
import logging
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from backups.log_handlers import LogFile
from backups.models import BackupExecution, BackupSchedule, Heartbeat, InstanceState
from backups.runs.recovery import heartbeats
from backups.service.rhythm import plan
from destinations.models import BackupDestination
from tests.backups.admin.pages import LIST, START, buttons, raw, text, url
from tests.backups.admin.restoring import SEE, a_restore, an_outcome
from tests.backups.factories import VIEW, Status, a_client, a_destination, a_drill, a_manifest, an_execution

pytestmark = pytest.mark.django_db
INDEX = "/admin/"
DAYS = timedelta(days=1)


def banner(client: Client) -> str:
    found = re.search(r'<p class="bs-banner"[^>]*>([^<]+)</p>', raw(client, INDEX))
    assert found is not None
    return html.unescape(found[1])


def severity(client: Client) -> str:
    found = re.search(r'<p class="bs-banner" data-status="(\w+)" role="status">', raw(client, INDEX))
    assert found is not None
    return found[1]


@pytest.fixture
def worker() -> None:
    heartbeats.beat("worker x:1", heartbeats.Kind.WORKER, "backups")


def row(client: Client, instance: str) -> str:
    """Return what the row of `instance` says after its name."""
    page = raw(client, INDEX)
    assert f'<a href="{LIST}instance/{instance}/">{instance}</a>' in page
    return text(client, INDEX).partition(" Next run Now ")[2].partition(f"{instance} ")[2]


@pytest.mark.usefixtures("worker")
def test_all_is_well_when_every_instance_has_a_backup_of_today() -> None:
    an_execution("shop", age=timedelta(hours=3))
    an_execution("wiki", age=timedelta(hours=23))
    client = a_client(VIEW)
    assert banner(client) == "All 2 instances have a good backup of the last 24 hours."
    assert severity(client) == "good"
    assert row(client, "wiki").startswith("Safe 23 h ago, 1.0 MB none since no schedule: judged by 24 h idle")


def test_what_needs_attention_is_named_the_most_urgent_first() -> None:
    an_execution("shop", age=3 * DAYS)
    client = a_client(VIEW)
    assert banner(client) == (
        "2 of 2 instances need attention: wiki has no backup; the last good backup of shop was 3 days ago."
    )
    assert severity(client) == "bad"
    assert row(client, "shop").startswith("Late 3 days ago, 1.0 MB none since no schedule: judged by 24 h idle")
    assert row(client, "wiki").startswith("No backup never none since no schedule: judged by 24 h idle")


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
    assert severity(client) == "good"
    client = bring_about(client)
    assert severity(client) == "warning"
    assert banner(client) == f"All 2 instances have a good backup of the last 24 hours, but {named}."
    an_execution("wiki", status=Status.FAILED)
    assert severity(client) == "bad"


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
    assert (severity(client), banner(client)) == ("bad", named)
    # who may not see restores is not shown that one
    assert severity(a_client(VIEW, name="eve")) == "good"


def test_only_three_of_many_are_named(instances: dict[str, Any]) -> None:
    instances |= {f"site{number}": instances["shop"] for number in range(4)}
    assert banner(a_client(VIEW)).endswith("shop has no backup; site0 has no backup; site1 has no backup; and 3 more.")


@pytest.mark.parametrize("status", [Status.FAILED, Status.INTERRUPTED])
def test_a_failure_after_the_good_one_needs_attention(status: Status) -> None:
    an_execution("shop", age=timedelta(hours=5))
    an_execution("wiki")
    failure = an_execution("shop", age=timedelta(hours=1), status=status, error_message="the disk is full")
    client = a_client(VIEW)
    assert banner(client) == "1 of 2 instances needs attention: the last attempt at shop failed."
    assert row(client, "shop").startswith(
        "Last attempt failed 5 h ago, 1.0 MB 59 min ago the disk is full no schedule: judged by 24 h idle"
    )
    assert url(failure) in raw(client, INDEX)


def test_a_failure_before_the_good_one_and_a_cancelled_one_do_not() -> None:
    an_execution("wiki")
    an_execution("shop", age=timedelta(hours=5))
    an_execution("shop", age=timedelta(hours=9), status=Status.FAILED)
    an_execution("shop", age=timedelta(hours=1), status=Status.CANCELLED)
    assert banner(a_client(VIEW)).startswith("All 2 instances have")


@pytest.mark.parametrize("gone", ["deleted_at", "missing_at", "deleting_at"])
def test_an_archive_that_is_gone_is_no_good_backup(gone: str) -> None:
    an_execution("wiki")
    an_execution("shop", age=3 * DAYS)
    an_execution("shop", **{gone: timezone.now()})
    assert "the last good backup of shop was 3 days ago" in banner(a_client(VIEW))


def test_what_runs_now_is_shown_live_and_before_what_waits() -> None:
    an_execution("shop", status=Status.QUEUED, age=timedelta(minutes=9))
    run = an_execution("shop", status=Status.RUNNING, heartbeat_at=timezone.now(), stage="packing", progress_percent=40)
    waiting = an_execution("wiki", status=Status.QUEUED, age=timedelta(0))
    client = a_client(VIEW)
    page = raw(client, INDEX)
    assert f'data-live="{run.pk}" data-status-url="{LIST}status/"' in page
    assert f'data-live="{waiting.pk}"' in page
    assert "Running Packing, 40%" in row(client, "shop")
    assert "Queued waiting for a worker" in row(client, "wiki")


def test_mistakes_in_the_instances_file_are_told(settings: Settings, instances: dict[str, Any]) -> None:
    an_execution("shop")
    an_execution("wiki")
    instances["mail"] = {"kind": "nonsense", "root": "/"}
    page = text(a_client(VIEW), INDEX)
    assert "1 of 3 instances needs attention: mail is described wrongly." in page
    assert "[mail] kind: The kind is unknown. What to do: Use one of tacacs, generic." in page


def test_a_missing_instances_file_is_told(settings: Settings, tmp_path: Path) -> None:
    settings.BACKUP_INSTANCES = None
    settings.BACKUP_INSTANCES_FILE = tmp_path / "none.toml"
    page = text(a_client(VIEW), INDEX)
    assert "There is nothing to back up yet" in page
    assert f"The instances file {tmp_path}/none.toml does not exist. What to do: Create it" in page


def test_the_button_starts_a_backup_to_where_the_last_one_went() -> None:
    a_destination("nas")
    offsite = a_destination("offsite")
    an_execution("shop", destination=offsite)
    page = raw(a_client(VIEW, "run_backup"), INDEX)
    assert buttons(page) == {"Back up now"}
    assert page.count(f'<form method="post" action="{START}" class="bs-start">') == 2
    assert f'<option value="{offsite.pk}" selected>offsite</option>' in page
    assert page.count(" selected>") == 1


def test_the_only_destination_needs_no_choice_and_one_click_starts() -> None:
    destination = a_destination()
    client = a_client(VIEW, "run_backup")
    page = raw(client, INDEX)
    assert f'<input type="hidden" name="destination" value="{destination.pk}">' in page
    assert "<select" not in page
    client.post(START, {"instance": "shop", "destination": destination.pk})
    assert BackupExecution.objects.get().instance == "shop"


def test_without_a_destination_the_page_asks_for_one_and_has_no_button(admin: Client) -> None:
    a_destination(enabled=False)
    page = raw(admin, INDEX)
    assert "No destination is enabled." in page
    assert "/admin/destinations/backupdestination/add/" in page
    assert START not in page


def test_users_see_what_they_may() -> None:
    a_destination()
    an_execution("shop")
    assert buttons(raw(a_client(VIEW), INDEX)) == set()
    nothing = raw(a_client("run_backup", name="carol"), INDEX)
    assert "bs-banner" not in nothing
    assert "shop" not in nothing


def test_the_number_of_queries_does_not_grow_with_the_instances(instances: dict[str, Any]) -> None:
    client, counts = a_client(VIEW, "run_backup"), []
    for number in (2, 200):
        instances |= {f"site{index}": instances["shop"] for index in range(number)}
        for name in list(instances)[: number // 2]:
            an_execution(name, age=2 * DAYS)
            an_execution(name, status=Status.FAILED)
            an_execution(name, status=Status.QUEUED, kind="scheduled")
            a_schedule(name, f"hours:{number}")
        with CaptureQueriesContext(connection) as queries:
            assert raw(client, INDEX).count(START) == len(instances)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 23


# --- what schedules promise ---------------------------------------------------------------------------------------
def a_schedule(instance: str, expression: str, **fields: Any) -> None:
    plan(
        BackupSchedule(
            name=f"{instance}-{expression}".replace(":", "-"),
            instance=instance,
            destination=a_destination(),
            type="interval",
            expression=expression,
            **fields,
        )
    )


def test_an_instance_is_judged_by_what_its_schedules_promise() -> None:
    a_schedule("shop", "hours:2")
    a_schedule("wiki", "days:3")
    an_execution("shop", age=timedelta(hours=4))
    an_execution("wiki", age=timedelta(days=2))
    client = a_client(VIEW)
    assert banner(client) == "1 of 2 instances needs attention: the last good backup of shop was 4 h ago."
    assert re.match(r"Late 4 h ago, 1.0 MB none since in .* every 3 h idle", row(client, "shop"))
    assert re.match(r"Safe 2 days ago, 1.0 MB none since in .* every 3 d 1 h idle", row(client, "wiki"))
    an_execution("shop")
    assert banner(client).startswith("All 2 instances have a good backup, as fresh as promised, but no worker ")


def test_failures_in_a_row_are_counted() -> None:
    a_schedule("shop", "hours:2", consecutive_failures=4)
    assert "4 failures in a row" in row(a_client(VIEW), "shop")


def test_a_configuration_that_is_another_than_in_the_last_backup_is_shown() -> None:
    manifest = a_manifest("shop", config_hash="b" * 64).to_dict()
    an_execution("shop", manifest_json=manifest)
    client = a_client(VIEW)
    InstanceState.objects.create(instance="shop", config_hash="b" * 64)
    assert "Configuration changed" not in row(client, "shop")
    InstanceState.objects.update(config_hash="c" * 64)
    assert row(client, "shop").startswith("Safe Configuration changed ")
    BackupExecution.objects.update(adopted=True)
    assert "Configuration changed" not in row(client, "shop")


def test_a_backup_without_a_configuration_cannot_differ_from_one() -> None:
    an_execution("shop")
    InstanceState.objects.create(instance="shop", config_hash="b" * 64)
    assert "Configuration changed" not in row(a_client(VIEW), "shop")


def test_what_is_wrong_with_a_configuration_is_told() -> None:
    InstanceState.objects.create(instance="shop", config_problem="line 183: neither a section nor a key")
    page = text(a_client(VIEW), INDEX)
    assert "The configuration of shop is wrong: line 183: neither a section nor a key. What it declared before" in page
    assert "has to be restarted" not in page


# --- who does the work --------------------------------------------------------------------------------------------
def test_that_no_worker_answers_is_told_and_how_to_start_one() -> None:
    client = a_client(VIEW)
    page = text(client, INDEX)
    assert (
        "no worker has ever answered. What to do: start one on the host that holds the files: manage.py worker" in page
    )
    assert "No worker answers." in page
    heartbeats.beat("worker x:1", heartbeats.Kind.WORKER, "backups")
    Heartbeat.objects.update(beat_at=timezone.now() - timedelta(minutes=4, seconds=5))
    assert "no worker has answered for 4 min" in text(client, INDEX)


def test_the_workers_that_answer_are_counted() -> None:
    heartbeats.beat("worker x:1", heartbeats.Kind.WORKER, "backups")
    page = text(a_client(VIEW), INDEX)
    assert "1 worker answers: backups on " in page
    assert "no worker" not in page.lower()


@pytest.mark.usefixtures("worker")
def test_a_log_file_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    an_execution("shop")
    an_execution("wiki")
    client = a_client(VIEW)
    assert "The log file" not in text(client, INDEX)
    assert severity(client) == "good"
    (handler,) = [one for one in logging.getLogger().handlers if isinstance(one, LogFile)]
    monkeypatch.setattr(handler, "path", tmp_path)
    shown = text(client, INDEX)
    assert f"The log file {tmp_path} cannot be written: Is a directory." in shown
    assert "What to do: Let the user of the site write there" in shown
    assert severity(client) == "warning"
