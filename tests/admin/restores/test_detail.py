"""The page of a restore: how it goes, how it ended, and who may see it and do what."""

import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from backups.admin.shared import formats
from backups.admin.shared.permissions import ACKNOWLEDGE, CANCEL_RESTORE, UNDO
from backups.admin.shared.progress import steps
from backups.models import BackupExecution, RestoreExecution
from destinations.lib.formats import human_duration
from tests.support.pages.parsed import page_at
from tests.support.pages.restore_pages import MAY, RESTORES, SEE, a_restore, an_outcome, page_of, running
from tests.support.restores.component_restores import restore
from tests.support.rows import VIEW, Status, a_client

pytestmark = pytest.mark.django_db
Run = Callable[[], BackupExecution]


def test_a_completed_restore_says_what_became_of_each_component(restored: RestoreExecution, tmp_path: Path) -> None:
    page = page_at(a_client(VIEW, MAY), page_of(restored))
    assert page.title == "Restore of shop"
    facts = page.section("facts")
    assert facts.facts("execution", "destination", "archive_sha256", "safety_backup", "safety_destination") == {
        "execution": restored.execution_id,
        "destination": "nas",
        "archive_sha256": restored.archive_sha256,
        "safety_backup": restored.safety_backup_id,
        "safety_destination": "nas",
    }
    orders = page.section("components").row("orders")
    assert (orders.status, orders.field("state").text) == ("restored", "Restored")
    assert orders.facts("path", "rows") == {"path": str(tmp_path / "shop" / "orders.db"), "rows": "1500"}
    assert page.notice("restart", "shop").has_field("since")
    steps = {step["data-step"]: step["data-state"] for step in page.all(data_step="*")}
    assert steps["applying"] == "done"
    assert "rolling back" not in steps


def test_a_running_one_is_live_with_its_stages() -> None:
    now = timezone.now()
    run = running(timeline=[["fetching", now.isoformat()], ["applying", (now + timedelta(seconds=2)).isoformat()]])
    page = page_at(a_client(VIEW, SEE), page_of(run))
    state = page.run(run.pk)
    assert (state["data-run"], state["data-live"], state.status) == (run.pk, f"{RESTORES}status/", "running")
    assert (state.one("progress")["value"], state.field("detail").text) == ("70", "Applying, 70%")
    assert page.one("tr", data_step="fetching")["data-state"] == "done"
    assert page.one("tr", data_step="applying")["data-state"] == "now"


def test_applying_and_verifying_take_turns_and_each_is_shown_once_with_all_its_time() -> None:
    began = timezone.now() - timedelta(minutes=1)
    turns = ["applying", "verifying data", "applying", "verifying data"]
    timeline = [[stage, (began + timedelta(seconds=10 * turn)).isoformat()] for turn, stage in enumerate(turns)]
    run = running(stage="verifying data", timeline=timeline)
    found = {step["name"]: step for step in steps(run, began + timedelta(seconds=35))}
    assert found["applying"] | {"label": ""} == {
        "name": "applying",
        "label": "",
        "state": "done",
        "began": formats.clock(began),
        "took": human_duration(timedelta(seconds=20)),
    }
    verifying = found["verifying data"]
    assert (verifying["state"], verifying["took"]) == ("now", human_duration(timedelta(seconds=15)))
    assert verifying["began"] == formats.clock(began + timedelta(seconds=10))


def test_a_way_back_is_in_the_timeline_of_those_that_went_it() -> None:
    moment = timezone.now().isoformat()
    failed = running(
        status=Status.FAILED,
        completed_at=timezone.now(),
        timeline=[["applying", moment], ["rolling back", moment]],
        outcome=an_outcome("rolled back"),
        error_message="the disk is full; what it had changed was rolled back",
        error_hint="free space",
    )
    page = page_at(a_client(VIEW, SEE), page_of(failed))
    assert page.one(data_step="rolling back")["data-state"] == "broken"
    assert page.notice("error").facts("message", "hint") == {
        "message": "the disk is full; what it had changed was rolled back.",
        "hint": "free space.",
    }
    assert page.section("components").row("orders").status == "rolled back"


def test_what_hooks_and_errors_say_is_escaped() -> None:
    evil = "<script>alert(1)</script>"
    hook = {"hook": "before_restore", "at": "", "exit_code": 3, "output": evil}
    run = a_restore(
        hook_output=[hook], warnings=[evil], triggered_by=evil, components=[evil], status=Status.FAILED,
        error_message=evil, error_hint=evil,
    )  # fmt: skip
    page = page_at(a_client(VIEW, SEE), page_of(run))
    assert "<script>alert" not in page.html
    assert set(page.facts("warning", "triggered_by", "components").values()) == {evil}
    assert page.notice("error").facts("message", "hint") == {"message": f"{evil}.", "hint": f"{evil}."}
    assert page.section("hook")["data-row"] == "before_restore"
    assert page.section("hook").facts("exit_code", "output") == {"exit_code": "3", "output": evil}


def test_the_output_of_a_real_hook_is_shown(
    backed_up: Run, instances: dict[str, Any], tmp_path: Path, settings: Settings
) -> None:
    instances["shop"]["hooks"] = {"before_restore": [sys.executable, "-c", "print('stopping the till')"]}
    hook = page_at(a_client(VIEW, SEE), page_of(restore(backed_up()))).section("hook")
    assert hook["data-row"] == "before_restore"
    assert hook.facts("exit_code", "output") == {"exit_code": "0", "output": "stopping the till"}


@pytest.mark.parametrize(
    ("permissions", "actions"),
    [((SEE,), set()), ((MAY,), {"undo", "acknowledge"}), ((SEE, "run_backup"), set())],
)
def test_buttons_are_those_that_the_user_may_press(permissions: tuple[str, ...], actions: set[str]) -> None:
    assert page_at(a_client(VIEW, *permissions), page_of(a_restore())).actions() == actions


@pytest.mark.parametrize(
    ("fields", "actions"),
    [
        ({"status": Status.QUEUED}, {"cancel"}),
        ({"status": Status.RUNNING, "stage": "applying"}, {"cancel"}),
        ({"status": Status.RUNNING, "stage": "applying", "cancel_requested_at": timezone.now()}, set()),
        ({"status": Status.FAILED}, set()),
        ({"outcome": an_outcome("rolled back")}, {"acknowledge"}),
        ({"acknowledged_at": timezone.now()}, {"undo"}),
    ],
)
def test_buttons_fit_the_state(admin: Client, fields: dict[str, Any], actions: set[str]) -> None:
    assert page_at(admin, page_of(a_restore(**fields))).actions() == actions


@pytest.mark.parametrize("action", [UNDO, ACKNOWLEDGE, CANCEL_RESTORE], ids=lambda action: action.name)
def test_each_action_is_refused_without_the_permission(action: Any) -> None:
    run = running() if action is CANCEL_RESTORE else a_restore()
    data = {"confirm": "shop"}
    assert a_client(VIEW, SEE).post(page_of(run, action.name), data).status_code == 403
    assert Client().post(page_of(run, action.name), data).status_code == 302
    run.refresh_from_db()
    assert (run.acknowledged_at, run.cancel_requested_at, RestoreExecution.objects.count()) == (None, None, 1)
    assert a_client(MAY, name="carol").get(page_of(run, "cancel")).status_code == 302


def test_those_who_may_not_see_restores_do_not() -> None:
    run = a_restore()
    assert a_client(VIEW, "run_backup").get(page_of(run)).status_code == 403
    assert a_client(VIEW, "run_backup", name="carol").get(f"{RESTORES}status/", {"ids": run.pk}).status_code == 403


def test_its_state_is_polled_like_that_of_a_backup() -> None:
    run = running()
    response = a_client(SEE).get(f"{RESTORES}status/", {"ids": f"{run.pk},unknown"})
    (found,) = response.json()["executions"]
    assert (found["id"], found["detail"], found["active"]) == (run.pk, "Applying, 70%", True)
    assert "no-store" in response["Cache-Control"]


def test_a_restore_is_cancelled_by_its_button() -> None:
    client, queued, run = a_client(VIEW, MAY), a_restore(status=Status.QUEUED), running()
    page = page_at(client, page_of(queued, "cancel"), {})
    assert (page.messages(), page.run().status) == (["success"], "cancelled")
    page = page_at(client, page_of(run, "cancel"), {})
    assert (page.messages(), page.run().status) == (["success"], "running")
    run.refresh_from_db()
    assert run.cancel_requested_by == page.field("cancel_requested_by").text == "bob"


def test_an_unknown_id_leads_to_the_list_and_says_so() -> None:
    page = page_at(a_client(SEE), f"{RESTORES}nothing/change/")
    assert "“nothing”" in page.message("warning")
    assert page.title == "Restores"
