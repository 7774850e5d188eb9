"""The page of a restore: how it goes, how it ended, cancelling, undoing and acknowledging it."""

import sys
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

from backups.admin.actions import ACKNOWLEDGE, CANCEL_RESTORE, UNDO
from backups.admin.timeline import steps
from backups.models import BackupExecution, InstanceState, RestoreExecution
from backups.runs import audit
from backups.service.restore import run_restore
from tests.backups.admin.pages import buttons, raw, text
from tests.backups.admin.restoring import MAY, RESTORES, SEE, a_restore, an_outcome, confirmed, orders, page_of
from tests.backups.factories import VIEW, Status, a_client, a_user, an_execution
from tests.backups.restores import change, restore

pytestmark = pytest.mark.django_db
Run = Callable[[], BackupExecution]
GOOD = "The service was restarted and the restore is good"


@pytest.fixture
def restored(backed_up: Run, tmp_path: Path) -> RestoreExecution:
    """A real restore of a shop that had lost 500 orders."""
    execution = backed_up()
    change(tmp_path / "shop" / "orders.db", "DELETE FROM orders WHERE id <= 500")
    return restore(execution)


def running(**fields: Any) -> RestoreExecution:
    return a_restore(**{"status": Status.RUNNING, "stage": "applying", "progress_percent": 70} | fields)


def test_a_completed_restore_says_what_became_of_each_component(restored: RestoreExecution, tmp_path: Path) -> None:
    page = text(a_client(VIEW, MAY), page_of(restored))
    assert "Restore of shop" in page
    assert f"From {restored.execution} at nas SHA-256 {restored.archive_sha256}" in page
    assert f"Safety backup {restored.safety_backup} at nas" in page
    assert f"orders Restored {tmp_path / 'shop' / 'orders.db'} 1,500" in page
    assert "shop has to be restarted, since" in page
    assert "Applying" in page and "Rolling Back" not in page


def test_a_running_one_is_live_with_its_stages() -> None:
    now = timezone.now()
    run = running(timeline=[["fetching", now.isoformat()], ["applying", (now + timedelta(seconds=2)).isoformat()]])
    page = raw(a_client(VIEW, SEE), page_of(run))
    assert f'data-live="{run.pk}" data-status-url="{RESTORES}status/"' in page
    assert '<progress max="100" value="70"' in page
    assert '<tr data-step="fetching" data-state="done">' in page
    assert '<tr data-step="applying" data-state="now">' in page
    assert "Applying, 70%" in page


def test_applying_and_verifying_take_turns_and_each_is_shown_once_with_all_its_time() -> None:
    began = timezone.now() - timedelta(minutes=1)
    turns = ["applying", "proving", "applying", "proving"]
    timeline = [[stage, (began + timedelta(seconds=10 * turn)).isoformat()] for turn, stage in enumerate(turns)]
    run = running(stage="proving", timeline=timeline)
    found = {step.name: step for step in steps(run, began + timedelta(seconds=35))}
    assert (found["applying"].state, found["applying"].began) == ("done", began)
    assert (found["proving"].state, found["proving"].began) == ("now", began + timedelta(seconds=10))
    assert (found["applying"].took, found["proving"].took) == (timedelta(seconds=20), timedelta(seconds=15))


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
    page = text(a_client(VIEW, SEE), page_of(failed))
    assert "Rolling Back" in page
    assert "was rolled back. What to do: free space." in page
    assert "orders Rolled back" in page


def test_what_hooks_and_errors_say_is_escaped() -> None:
    evil = "<script>alert(1)</script>"
    hook = {"hook": "before_restore", "at": "", "exit_code": 3, "output": evil}
    run = a_restore(
        hook_output=[hook], warnings=[evil], triggered_by=evil, components=[evil], status=Status.FAILED,
        error_message=evil, error_hint=evil,
    )  # fmt: skip
    page = raw(a_client(VIEW, SEE), page_of(run))
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 6
    assert "Hook before_restore: exit code 3" in page


def test_the_output_of_a_real_hook_is_shown(
    backed_up: Run, instances: dict[str, Any], tmp_path: Path, settings: Settings
) -> None:
    instances["shop"]["hooks"] = {"before_restore": [sys.executable, "-c", "print('stopping the till')"]}
    page = text(a_client(VIEW, SEE), page_of(restore(backed_up())))
    assert "Hook before_restore: exit code 0 stopping the till" in page


@pytest.mark.parametrize(
    ("permissions", "labels"), [((SEE,), set()), ((MAY,), {"Undo…", GOOD}), ((SEE, "run_backup"), set())]
)
def test_buttons_are_those_that_the_user_may_press(permissions: tuple[str, ...], labels: set[str]) -> None:
    assert buttons(raw(a_client(VIEW, *permissions), page_of(a_restore()))) == labels


@pytest.mark.parametrize(
    ("fields", "labels"),
    [
        ({"status": Status.QUEUED}, {"Cancel"}),
        ({"status": Status.RUNNING, "stage": "applying"}, {"Cancel"}),
        ({"status": Status.RUNNING, "stage": "applying", "cancel_requested_at": timezone.now()}, set()),
        ({"status": Status.FAILED}, set()),
        ({"outcome": an_outcome("rolled back")}, {GOOD}),
        ({"acknowledged_at": timezone.now()}, {"Undo…"}),
    ],
)
def test_buttons_fit_the_state(admin: Client, fields: dict[str, Any], labels: set[str]) -> None:
    assert buttons(raw(admin, page_of(a_restore(**fields)))) == labels


def test_what_was_undone_or_cannot_be_undone_has_no_button(admin: Client) -> None:
    undone = a_restore()
    undo = a_restore(undo_of=undone)
    page = raw(admin, page_of(undone))
    assert buttons(page) == {GOOD}
    assert page_of(undo) in page
    gone = a_restore(safety_backup=an_execution(kind="safety", deleted_at=timezone.now()))
    assert buttons(raw(admin, page_of(gone))) == {GOOD}
    assert "Undo failed: there is nothing to undo" in text(admin, page_of(gone, "undo"))


@pytest.mark.parametrize("action", [UNDO, ACKNOWLEDGE, CANCEL_RESTORE], ids=lambda action: action.name)
def test_each_action_is_refused_without_the_permission(action: Any) -> None:
    run = running() if action is CANCEL_RESTORE else a_restore()
    data = {"confirm": "shop"}
    assert a_client(VIEW, SEE).post(page_of(run, action.name), data).status_code == 403
    assert Client().post(page_of(run, action.name), data).status_code == 302
    run.refresh_from_db()
    assert (run.acknowledged_at, run.cancel_requested_at, RestoreExecution.objects.count()) == (None, None, 1)
    assert a_client(MAY, name="carol").get(page_of(run, "cancel")).status_code == 405


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
    assert "The restore of shop was cancelled before it started." in text(client, page_of(queued, "cancel"), {})
    assert "The restore of shop will stop in a moment." in text(client, page_of(run, "cancel"), {})
    run.refresh_from_db()
    assert run.cancel_requested_by == "bob"


def test_the_undo_page_says_what_comes_back_and_changes_nothing(restored: RestoreExecution, tmp_path: Path) -> None:
    page = text(a_client(VIEW, MAY), page_of(restored, "undo"))
    assert "Undo the restore of shop?" in page
    assert "With the undo: At least 500 orders rows will be gone." in page
    assert "orders 1,500 1,000 -500" in page
    assert f"Archive {restored.safety_backup} at nas" in page
    assert RestoreExecution.objects.count() == 1
    assert orders(tmp_path / "shop") == 1500


@pytest.mark.parametrize("fields", [{"confirm": "wiki"}, {"archive_sha256": "0" * 64}])
def test_an_undo_that_is_not_confirmed_queues_nothing(restored: RestoreExecution, fields: dict[str, str]) -> None:
    assert restored.safety_backup is not None
    response = a_client(VIEW, MAY).post(page_of(restored, "undo"), confirmed(restored.safety_backup, **fields))
    assert response.status_code == 400
    assert 'role="alert"' in response.content.decode()
    assert RestoreExecution.objects.count() == 1


def test_a_confirmed_undo_brings_back_what_was_there(restored: RestoreExecution, tmp_path: Path) -> None:
    assert restored.safety_backup is not None
    client = a_client(VIEW, MAY)
    page = text(client, page_of(restored, "undo"), confirmed(restored.safety_backup))
    assert "The undo of the restore of shop is queued." in page
    undo = restored.undone_by.get()
    assert (undo.triggered_by, undo.execution) == ("bob", restored.safety_backup)
    run_restore(undo.pk)
    assert orders(tmp_path / "shop") == 1000
    page = text(client, page_of(undo))
    assert "Undo of shop" in page
    assert "Undoes an earlier restore" in page


def test_an_undo_is_refused_where_restores_are_switched_off(restored: RestoreExecution, settings: Settings) -> None:
    settings.BACKUP_WEB_RESTORE = False
    client = a_client(VIEW, MAY)
    assert buttons(raw(client, page_of(restored))) == {GOOD}
    assert restored.safety_backup is not None
    response = client.post(page_of(restored, "undo"), confirmed(restored.safety_backup))
    assert response.status_code == 403
    assert f"manage.py restore --undo {restored.pk} --confirm" in response.content.decode()


def test_acknowledging_takes_the_mark_away_and_the_pin(restored: RestoreExecution, tmp_path: Path) -> None:
    client = a_client(VIEW, MAY)
    marker = tmp_path / "shop" / "restart-required.json"
    assert marker.exists()
    assert "shop has to be restarted" in text(client, "/admin/")
    page = text(client, page_of(restored, "acknowledge"), {})
    assert "The restore of shop is acknowledged." in page
    assert "Acknowledged by bob," in page
    assert "has to be restarted" not in page
    assert "has to be restarted" not in text(client, "/admin/")
    assert not marker.exists()
    assert not BackupExecution.objects.filter(pinned=True).exists()


def test_the_front_page_says_which_restart_is_asked_for_and_what_is_being_restored() -> None:
    done, run = a_restore("wiki"), running()
    InstanceState.objects.create(
        instance="wiki", restart_required_since=timezone.now(), restart_required_by=done.pk
    )  # fmt: skip
    page = raw(a_client(VIEW, SEE), "/admin/")
    assert f"has to be restarted</strong>, since {timezone.now():%Y-%m-%d}" in page
    assert page_of(done) in page
    assert "Restart required" in page
    assert f'data-live="{run.pk}" data-status-url="{RESTORES}status/"' in page
    other = raw(a_client(VIEW, name="carol"), "/admin/")
    assert "has to be restarted" in other
    assert RESTORES not in other


def test_the_list_shows_what_when_and_by_whom() -> None:
    run, done = running(), a_restore("wiki", components=["orders"])
    client = a_client(VIEW, SEE)
    page = text(client, RESTORES)
    assert f"wiki orders Completed not acknowledged yet {done.execution} alice just now 0 ms" in page
    assert f"shop everything Running Applying, 70% {run.execution} alice" in page
    assert "wiki" not in text(client, f"{RESTORES}?instance=shop").partition("Started Took")[2].partition("Filter")[0]
    assert page_of(done) in raw(client, f"{RESTORES}?q={done.pk}")
    assert page_of(done) not in raw(client, f"{RESTORES}?q={run.pk}")
    assert page_of(done) not in raw(client, f"{RESTORES}?status__exact=failed")


def test_an_unknown_id_leads_to_the_list_and_says_so() -> None:
    assert "There is no restore with the id “nothing”." in text(a_client(SEE), f"{RESTORES}nothing/change/")


def test_numbers_of_queries_do_not_grow(restored: RestoreExecution) -> None:
    client, user, counts = a_client(VIEW, MAY), a_user(name="carol"), []
    for number in (1, 30):
        for index in range(number):
            a_restore(f"shop{index}")
            audit.note(user, restored, "Looked.")
        counts.append([_queries(client, address) for address in (RESTORES, page_of(restored), "/admin/")])
    assert counts[0] == counts[1]
    assert max(counts[0]) <= 25


def _queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    return len(queries)
