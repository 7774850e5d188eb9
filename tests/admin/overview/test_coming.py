"""The page about coming runs, its command, and who may see what of it."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from backups.models import BackupSchedule, InstanceState, NotificationChannel
from tests.support.call_commands import command
from tests.support.pages.admin_pages import url
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, Status, a_client, a_destination, an_execution

pytestmark = pytest.mark.django_db
PAGE = "/admin/backups/coming/"
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def client(db: None) -> Client:
    return a_client(VIEW)


def a_schedule(instance: str, name: str = "", **fields: object) -> BackupSchedule:
    values: dict[str, object] = {
        "name": name or f"{instance}-hourly", "instance": instance, "destination": a_destination(),
        "expression": "0 * * * *", "next_run": timezone.now().replace(minute=0, second=0, microsecond=0) + HOUR,
    }  # fmt: skip
    return BackupSchedule.objects.create(**values | fields)


def test_the_page_shows_a_row_for_each_group_its_overlaps_and_what_went_wrong(
    client: Client, settings: Settings
) -> None:
    settings.BACKUP_WORKERS = 1
    for name in ("shop", "wiki"):
        InstanceState.objects.get_or_create(instance=name)
        began = timezone.now() - 30 * HOUR
        an_execution(name, created_at=began, started_at=began, completed_at=began + 20 * MINUTE)
        a_schedule(name)
    failed = an_execution("shop", status=Status.FAILED, error_message="No space.", age=2 * HOUR)
    page = page_at(client, PAGE)
    row = page.section("queue").row("backup")
    assert row.status == "overlaps"
    assert row.facts("instances", "count", "longest", "overlaps") == {
        "instances": "2", "count": "48", "longest": "1200.000", "overlaps": "24",
    }  # fmt: skip
    assert page.section("past").row("backup").facts("completed", "failed", "missed", "refused") == {
        "completed": "0", "failed": "1", "missed": "0", "refused": "0",
    }  # fmt: skip
    trouble = page.section("troubles").row("shop")
    assert trouble.status == "failed" and "No space." in trouble.field("reason").text
    assert url(failed) in trouble.links()


def test_a_schedule_without_a_next_run_stands_above_and_an_empty_site_says_so(client: Client) -> None:
    assert page_at(client, PAGE).sections() == ["nothing", "past"]
    a_schedule("shop", next_run=None, last_error="It never comes.")
    assert "It never comes." in page_at(client, PAGE).notice("unplanned").text


def test_digests_are_shown_to_whoever_may_see_channels_and_nothing_to_whoever_may_not_see_backups(
    client: Client, admin: Client
) -> None:
    NotificationChannel.objects.create(
        name="team", kind="mail", digest="daily", next_digest_at=timezone.now() + 2 * HOUR
    )
    assert page_at(admin, PAGE).fields("digest") == ["team"]
    assert "digests" not in page_at(client, PAGE).sections()
    assert a_client("view_backupschedule", name="eve").get(PAGE).status_code == 403
    assert client.post(PAGE).status_code == 405


def test_the_front_page_and_the_navigation_lead_to_it(client: Client) -> None:
    an_execution()
    assert page_at(client, "/admin/").links().count(PAGE) == 2
    assert PAGE not in page_at(a_client("view_backupschedule", name="eve"), "/admin/").links()


def test_the_page_of_many_hourly_schedules_is_small_and_needs_few_queries(client: Client) -> None:
    destination = a_destination()
    values = {"destination": destination, "next_run": timezone.now() + MINUTE}
    BackupSchedule.objects.bulk_create(
        BackupSchedule(name=f"s{number}", instance=f"instance-{number:03}", expression="0 * * * *", **values)
        for number in range(200)
    )
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(PAGE)
    assert len(answer.content) < 25_000
    assert len(queries) <= 30


def test_the_command_prints_the_same_for_people_and_for_programs() -> None:
    a_schedule("shop", "nightly")
    an_execution("shop", status=Status.FAILED, error_message="No \x1b[2J space.", age=HOUR)
    text = command("comingruns").out
    assert "\x1b" not in text and "space." in text and "24 runs" in text
    data = command("comingruns", "--json").data
    (group,) = data["coming"]["queues"][0]["groups"]
    assert (group["sort"], group["instances"], group["runs"]) == ("backup", ["shop"], 24)
    assert (data["past"]["groups"][0]["failed"], data["past"]["troubles"][0]["what"]) == (1, "failed")
