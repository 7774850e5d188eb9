"""The buttons of a schedule, and schedules that a file declares."""

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from backups.models import BackupExecution, BackupSchedule
from tests.support.pages.parsed import page_at
from tests.support.pages.schedule_pages import EDIT, LIST, RUN, SEE, a_schedule, typed, url
from tests.support.rows import a_client, an_execution

pytestmark = pytest.mark.django_db


def tools(client: Client, row: BackupSchedule) -> set[str]:
    """Return the names of the buttons on its page."""
    return page_at(client, url(row)).actions()


def test_run_now_queues_a_backup_outside_the_slots() -> None:
    row = a_schedule()
    client = a_client(SEE, RUN)
    page = page_at(client, url(row, "run"), {})
    execution = BackupExecution.objects.get()
    assert (execution.instance, execution.kind, execution.triggered_by) == ("shop", "manual", "bob")
    assert page.messages() == ["success"]
    assert LogEntry.objects.filter(object_id=row.pk).get().change_message == f"Run now: {execution.pk}"


def test_pause_and_resume_and_each_button_only_where_it_does_something() -> None:
    row = a_schedule()
    client = a_client(SEE, RUN)
    assert tools(client, row) == {"run", "pause"}
    assert page_at(client, url(row, "pause"), {}).messages() == ["success"]
    row.refresh_from_db()
    assert (row.enabled, row.next_run) == (False, None)
    assert tools(client, row) == {"run", "resume"}
    page = page_at(client, url(row, "resume"), {})
    row.refresh_from_db()
    assert row.enabled
    assert row.next_run is not None
    assert f"{row.next_run:%Y-%m-%d %H:%M}" in page.message("success")


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
    assert a_client(SEE, RUN).get(url(a_schedule(), action)).status_code == 302


def test_the_actions_of_the_list_do_it_with_several_and_report_each() -> None:
    rows = [a_schedule(), a_schedule("gone", instance="gone")]
    client = a_client(SEE, RUN)
    page = page_at(client, LIST, {"action": "run_now", "_selected_action": [row.pk for row in rows]})
    assert sorted(page.messages()) == ["error", "success"]
    assert "There is no instance 'gone'" in page.message("error")
    assert BackupExecution.objects.get().instance == "shop"
    client.post(LIST, {"action": "pause", "_selected_action": [row.pk for row in rows]})
    assert BackupSchedule.objects.filter(enabled=True).count() == 0
    client.post(LIST, {"action": "resume", "_selected_action": [rows[0].pk]})
    assert [row.name for row in BackupSchedule.objects.filter(enabled=True)] == ["nightly"]


def test_the_actions_are_not_offered_to_those_who_may_not_and_refused() -> None:
    row = a_schedule()
    client = a_client(EDIT)
    assert page_at(client, LIST).all("option", value="run_now") == []
    client.post(LIST, {"action": "run_now", "_selected_action": [row.pk]})
    assert BackupExecution.objects.count() == 0


# --- declared -----------------------------------------------------------------------------------------------------
def test_a_declared_schedule_is_read_only_and_says_why(admin: Client) -> None:
    row = a_schedule(managed_by="configuration of shop")
    page = page_at(admin, url(row))
    assert page.notice("declared")["data-about"] == "configuration of shop"
    assert page.inputs("_save") == []
    assert page.actions() == {"run"}
    assert admin.post(url(row), typed(expression="5 5 * * *")).status_code == 403
    assert admin.post(url(row, "delete"), {"post": "yes"}).status_code == 403
    assert BackupSchedule.objects.get().expression == "0 2 * * *"


def test_a_declared_schedule_cannot_be_paused_or_deleted_from_the_list_either(admin: Client) -> None:
    row = a_schedule(managed_by="configuration of shop")
    selected = {"_selected_action": [row.pk]}
    page = page_at(admin, LIST, {"action": "pause", **selected})
    assert "Schedule nightly is declared in the configuration of shop" in page.message("error")
    admin.post(LIST, {"action": "delete_selected", "post": "yes", **selected})
    assert BackupSchedule.objects.get().enabled


def test_an_ordinary_schedule_is_deleted_and_its_backups_stay(admin: Client) -> None:
    row = a_schedule()
    execution = an_execution("shop", schedule=row)
    admin.post(url(row, "delete"), {"post": "yes"})
    assert BackupSchedule.objects.count() == 0
    assert BackupExecution.objects.get(pk=execution.pk).schedule is None
