"""The form of a schedule, which refuses a cadence without a next run, and the preview of the next runs."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from backups.models import BackupSchedule
from backups.service.schedules.describe import cadence_in_words
from backups.service.schedules.planning import next_runs
from tests.support.pages.parsed import page_at
from tests.support.pages.schedule_pages import ADD, EDIT, PREVIEW, SEE, a_schedule, typed, url
from tests.support.rows import a_client, a_destination

pytestmark = pytest.mark.django_db


def test_a_schedule_is_added_with_its_next_run_and_its_author() -> None:
    client = a_client("add_backupschedule", SEE)
    client.post(ADD, typed(time_zone="America/New_York"))
    row = BackupSchedule.objects.get()
    assert (row.created_by, row.enabled, row.time_zone) == ("bob", True, "America/New_York")
    assert row.next_run == next_runs(row, 1)[0]
    assert LogEntry.objects.get().get_change_message() == "Added."


def test_the_form_offers_instances_enabled_destinations_and_the_zone_of_the_site(settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    a_destination("old", enabled=False)
    a_destination("nas")
    page = page_at(a_client("add_backupschedule"), ADD)
    assert {"shop", "wiki"} <= set(page.options("instance"))
    assert "nas" in page.options("destination") and "old" not in page.options("destination")
    assert page.chosen("time_zone") == ["Asia/Tokyo"]


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"expression": "0 2 * *"}, "expression", "minute, hour, day, month, weekday"),
        ({"expression": "0 2 31 2 *"}, "expression", "'0 2 31 2 *' names a day that never comes"),
        ({"type": "interval", "expression": "seconds:5"}, "expression", "between one minute and a year"),
        ({"type": "custom", "expression": "os.remove"}, "expression", "no custom cadence 'os.remove'"),
        ({"expression": ""}, "expression", "'' is not a cron expression"),
        ({"name": "two words"}, "name", "letters, digits, '_', '-' and '.'"),
        ({"instance": "elsewhere"}, "instance", "elsewhere"),
    ],
)
def test_what_can_never_run_is_refused_at_its_field(fields: dict[str, str], field: str, words: str) -> None:
    faults = page_at(a_client("add_backupschedule"), ADD, typed(**fields)).faults()
    assert list(faults) == [field]
    assert words in faults[field]
    assert BackupSchedule.objects.count() == 0


def test_a_changed_cadence_is_planned_anew_and_a_changed_name_is_not() -> None:
    row = a_schedule()
    due = timezone.now() - timedelta(seconds=30)
    BackupSchedule.objects.update(next_run=due, last_status="failed")
    client = a_client(EDIT)
    same = typed(time_zone="Europe/Berlin", name="renamed")
    client.post(url(row), same)
    row.refresh_from_db()
    assert (row.name, row.next_run, row.last_status) == ("renamed", due, "failed")
    client.post(url(row), same | {"type": "interval", "expression": "hours:6"})
    row.refresh_from_db()
    assert (row.type, row.next_run) == ("interval", next_runs(row, 1)[0])


def test_a_manual_one_needs_no_expression_and_keeps_none() -> None:
    client = a_client("add_backupschedule", SEE)
    client.post(ADD, typed(type="manual"))
    row = BackupSchedule.objects.get()
    assert (row.expression, row.next_run) == ("", None)


def test_the_page_shows_the_next_five_runs_in_local_time_and_utc() -> None:
    row = a_schedule()
    shown = page_at(a_client(SEE), url(row)).section("next-runs")
    assert shown.field("words").text == cadence_in_words("cron", "0 2 * * *", "Europe/Berlin")
    assert shown.fields("utc") == [f"{run:%a %Y-%m-%d %H:%M} UTC" for run in next_runs(row, 5)]
    assert all(" 02:00 CE" in local for local in shown.fields("local"))


def test_a_refused_form_says_so_beside_the_runs_too() -> None:
    page = page_at(a_client("add_backupschedule"), ADD, typed(expression="0 2 31 2 *"))
    shown = page.section("next-runs")
    assert "'0 2 31 2 *' names a day that never comes" in shown.field("problem").text
    assert shown.fields("utc") == []
    assert list(page.faults()) == ["expression"]


# --- preview ------------------------------------------------------------------------------------------------------
def test_the_preview_answers_five_runs_or_the_problem() -> None:
    client = a_client("add_backupschedule")
    good = client.get(PREVIEW, {"type": "cron", "expression": " 0 2 * * * ", "time_zone": "Asia/Tokyo"})
    assert "no-store" in good.headers["Cache-Control"]
    answer = good.json()
    assert (answer["words"], answer["problem"], len(answer["runs"])) == (
        cadence_in_words("cron", "0 2 * * *", "Asia/Tokyo"),
        "",
        5,
    )
    assert answer["runs"][0]["local"].endswith(" 02:00 JST")
    assert answer["runs"][0]["utc"].endswith(" 17:00 UTC")
    bad = client.get(PREVIEW, {"type": "cron", "expression": "61 * * * *", "time_zone": "UTC"}).json()
    assert bad["runs"] == []
    assert bad["problem"].startswith("'61 * * * *' is not a cron expression: ")


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"type": "x", "expression": "0 2 * * *", "time_zone": "UTC"},
        {"type": "cron", "expression": "0 2 * * *", "time_zone": "../etc/passwd"},
        {"type": "cron", "expression": "0 2 * * *", "time_zone": ""},
        {"type": "cron", "expression": "*" * 9999, "time_zone": "UTC"},
        {"type": "interval", "expression": "days:1", "time_zone": "Mars/Olympus"},
        {"type": "interval", "expression": "days:99999999999", "time_zone": "UTC"},
        {"type": "custom", "expression": "os.getcwd", "time_zone": "UTC"},
    ],
)
def test_the_preview_says_what_is_wrong_with_anything(query: dict[str, str]) -> None:
    answer = a_client(EDIT).get(PREVIEW, query)
    assert answer.status_code == 200
    assert answer.json()["problem"]
    assert answer.json()["runs"] == []


def test_the_preview_is_for_those_who_may_edit_and_for_looking_only() -> None:
    assert a_client(SEE).get(PREVIEW).status_code == 403
    assert a_client(EDIT, name="carol").post(PREVIEW).status_code == 405
