"""Schedules in the admin: the list, the form that refuses what never comes, the buttons, rows that a file declares."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from backups.models import BackupExecution, BackupSchedule
from backups.service.rhythm import next_runs, plan
from tests.backups.admin.pages import raw, text
from tests.backups.factories import a_client, a_destination, an_execution

pytestmark = pytest.mark.django_db
LIST = "/admin/backups/backupschedule/"
ADD, PREVIEW = f"{LIST}add/", f"{LIST}preview/"
SEE, EDIT, RUN = "view_backupschedule", "change_backupschedule", "run_schedule"


def url(row: BackupSchedule, action: str = "change") -> str:
    return reverse(f"admin:backups_backupschedule_{action}", args=[row.pk])


def a_schedule(name: str = "nightly", **fields: Any) -> BackupSchedule:
    values = {"instance": "shop", "expression": "0 2 * * *", "time_zone": "Europe/Berlin", **fields}
    row = BackupSchedule(name=name, destination=values.pop("destination", None) or a_destination(), **values)
    plan(row)
    return row


def typed(**fields: str) -> dict[str, str]:
    values = {"name": "nightly", "instance": "shop", "type": "cron", "expression": "0 2 * * *", "time_zone": "UTC"}
    return values | {"destination": a_destination().pk} | fields


# --- list ---------------------------------------------------------------------------------------------------------
def test_the_list_says_what_runs_when_and_how_it_went() -> None:
    row = a_schedule(last_status="completed", last_run=timezone.now() - timedelta(hours=3))
    assert row.next_run is not None
    page = text(a_client(SEE), LIST)
    assert "nightly Active next in " in page
    assert "shop to nas at 02:00, every day (Europe/Berlin)" in page
    assert f"{row.next_run:%m-%d %H:%M} UTC Completed 3 h ago" in page
    assert "02:00 CE" in page


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"enabled": False}, "Paused runs nothing shop"),
        ({"consecutive_failures": 3}, "Failing 3 in a row next in "),
        ({"type": "manual", "expression": ""}, "Manual runs when told to shop"),
        ({"enabled": False, "managed_by": "configuration of shop"}, "Paused declared no more in the configuration of"),
    ],
)
def test_the_status_tells_those_that_need_a_look(fields: dict[str, Any], words: str) -> None:
    a_schedule(**fields)
    assert f"nightly {words}" in text(a_client(SEE), LIST)


def test_a_coming_retry_and_a_lost_next_run_are_told() -> None:
    row = a_schedule(consecutive_failures=1)
    BackupSchedule.objects.update(retry_at=timezone.now() + timedelta(seconds=63))
    client = a_client(SEE)
    assert "Failing 1 in a row again in 1 min 2 s" in text(client, LIST).replace("1 min 3 s", "1 min 2 s")
    BackupSchedule.objects.update(retry_at=None, next_run=None, consecutive_failures=0)
    assert "No next run its rhythm is wrong: edit it" in text(client, LIST)
    assert row.pk


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
        page = text(client, LIST + query)
        assert "1 schedule " in page, query
        assert "hourly" in page


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


# --- form ---------------------------------------------------------------------------------------------------------
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
    page = raw(a_client("add_backupschedule"), ADD)
    assert '<option value="shop">shop</option>' in page
    assert ">nas</option>" in page
    assert ">old</option>" not in page
    assert '<option value="Asia/Tokyo" selected>' in page


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"expression": "0 2 * *"},
            "'0 2 * *' is not a cron expression. Write five fields (minute, hour, day, month, weekday)",
        ),
        ({"expression": "0 2 31 2 *"}, "'0 2 31 2 *' names a day that never comes."),
        ({"type": "interval", "expression": "seconds:5"}, "seconds:5 is not between one minute and a year."),
        (
            {"type": "custom", "expression": "os.remove"},
            "There is no custom cadence 'os.remove'. BACKUP_CUSTOM_CADENCES has: none",
        ),
        ({"expression": ""}, "'' is not a cron expression."),
        ({"name": "two words"}, "Use letters, digits, '_', '-' and '.'."),
        ({"instance": "elsewhere"}, "elsewhere is not one of the available choices"),
    ],
)
def test_what_can_never_run_is_refused_at_its_field(fields: dict[str, str], message: str) -> None:
    page = text(a_client("add_backupschedule"), ADD, typed(**fields))
    assert message in page
    assert BackupSchedule.objects.count() == 0


def test_a_changed_rhythm_is_planned_anew_and_a_changed_name_is_not() -> None:
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
    page = text(a_client(SEE), url(row))
    assert "Next runs at 02:00, every day (Europe/Berlin) Local time UTC " in page
    for run in next_runs(row, 5):
        assert f"{run:%a %Y-%m-%d %H:%M} UTC" in page


def test_a_refused_form_says_so_beside_the_runs_too() -> None:
    page = text(a_client("add_backupschedule"), ADD, typed(expression="0 2 31 2 *"))
    assert page.count("'0 2 31 2 *' names a day that never comes.") == 2


# --- preview ------------------------------------------------------------------------------------------------------
def test_the_preview_answers_five_runs_or_the_problem() -> None:
    client = a_client("add_backupschedule")
    good = client.get(PREVIEW, {"type": "cron", "expression": " 0 2 * * * ", "time_zone": "Asia/Tokyo"})
    assert "no-store" in good.headers["Cache-Control"]
    answer = good.json()
    assert (answer["words"], answer["problem"], len(answer["runs"])) == ("at 02:00, every day (Asia/Tokyo)", "", 5)
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


# --- buttons ------------------------------------------------------------------------------------------------------
def tools(client: Client, row: BackupSchedule) -> set[str]:
    page = raw(client, url(row))
    return {label for label in ("Run now", "Pause", "Resume") if f'<button type="submit">{label}</button>' in page}


def test_run_now_queues_a_backup_outside_the_slots() -> None:
    row = a_schedule()
    client = a_client(SEE, RUN)
    page = text(client, url(row, "run"), {})
    execution = BackupExecution.objects.get()
    assert (execution.instance, execution.kind, execution.triggered_by) == ("shop", "manual", "bob")
    assert "The backup of shop to nas is queued." in page
    assert LogEntry.objects.filter(object_id=row.pk).get().change_message == f"Run now: {execution.pk}"


def test_pause_and_resume_and_each_button_only_where_it_does_something() -> None:
    row = a_schedule()
    client = a_client(SEE, RUN)
    assert tools(client, row) == {"Run now", "Pause"}
    assert "Schedule nightly is paused: it runs no more until it is resumed." in text(client, url(row, "pause"), {})
    row.refresh_from_db()
    assert (row.enabled, row.next_run) == (False, None)
    assert tools(client, row) == {"Run now", "Resume"}
    assert "Schedule nightly is resumed: it runs next at 20" in text(client, url(row, "resume"), {})
    row.refresh_from_db()
    assert row.enabled
    assert row.next_run is not None


@pytest.mark.parametrize("action", ["run", "pause", "resume"])
def test_who_may_only_look_or_edit_has_no_buttons_and_is_refused(action: str) -> None:
    row = a_schedule()
    client = a_client(EDIT)
    assert tools(client, row) == set()
    assert client.post(url(row, action)).status_code == 403
    assert a_client(RUN, name="carol").post(url(row, action)).status_code == 403
    assert BackupExecution.objects.count() == 0
    assert BackupSchedule.objects.get().enabled


@pytest.mark.parametrize("action", ["run", "pause", "resume"])
def test_a_link_changes_nothing(action: str) -> None:
    assert a_client(SEE, RUN).get(url(a_schedule(), action)).status_code == 405


def test_the_actions_of_the_list_do_it_with_several_and_tell_of_each() -> None:
    rows = [a_schedule(), a_schedule("gone", instance="gone")]
    client = a_client(SEE, RUN)
    page = text(client, LIST, {"action": "run_now", "_selected_action": [row.pk for row in rows]})
    assert "The backup of shop to nas is queued." in page
    assert "Run now failed for gone: There is no instance 'gone' (known: shop, wiki)." in page
    client.post(LIST, {"action": "pause", "_selected_action": [row.pk for row in rows]})
    assert BackupSchedule.objects.filter(enabled=True).count() == 0
    client.post(LIST, {"action": "resume", "_selected_action": [rows[0].pk]})
    assert [row.name for row in BackupSchedule.objects.filter(enabled=True)] == ["nightly"]


def test_the_actions_are_not_offered_to_those_who_may_not_and_refused() -> None:
    row = a_schedule()
    client = a_client(EDIT)
    assert 'value="run_now"' not in raw(client, LIST)
    client.post(LIST, {"action": "run_now", "_selected_action": [row.pk]})
    assert BackupExecution.objects.count() == 0


# --- declared -----------------------------------------------------------------------------------------------------
def test_a_declared_schedule_is_read_only_and_says_why(admin: Client) -> None:
    row = a_schedule(managed_by="configuration of shop")
    page = text(admin, url(row))
    assert "This schedule is declared in the configuration of shop; edit it there." in page
    assert 'name="_save"' not in raw(admin, url(row))
    assert tools(admin, row) == {"Run now"}
    assert admin.post(url(row), typed(expression="5 5 * * *")).status_code == 403
    assert admin.post(url(row, "delete"), {"post": "yes"}).status_code == 403
    assert BackupSchedule.objects.get().expression == "0 2 * * *"


def test_a_declared_schedule_cannot_be_paused_or_deleted_from_the_list_either(admin: Client) -> None:
    row = a_schedule(managed_by="configuration of shop")
    selected = {"_selected_action": [row.pk]}
    page = text(admin, LIST, {"action": "pause", **selected})
    assert "Pause failed for nightly: schedule nightly is declared in the configuration of shop. edit it there" in page
    admin.post(LIST, {"action": "delete_selected", "post": "yes", **selected})
    assert BackupSchedule.objects.get().enabled


def test_an_ordinary_schedule_is_deleted_and_its_backups_stay(admin: Client) -> None:
    row = a_schedule()
    execution = an_execution("shop", schedule=row)
    admin.post(url(row, "delete"), {"post": "yes"})
    assert BackupSchedule.objects.count() == 0
    assert BackupExecution.objects.get(pk=execution.pk).schedule is None
