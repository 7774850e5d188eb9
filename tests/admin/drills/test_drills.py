"""The buttons that queue a drill and a verification, the page of one, the list, and who may see and do what."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from backups.errors import BackupError
from backups.models import BackupExecution, DrillExecution
from backups.service.drill.run import run_drill
from tests.admin.backups.test_actions import archive_of, damage
from tests.support.pages.admin_pages import url
from tests.support.pages.front_page import good_of
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client, a_drill, an_execution

pytestmark = pytest.mark.django_db
Run = Callable[[], BackupExecution]
LIST = "/admin/backups/drillexecution/"
SHOP = "/admin/backups/instances/shop/"


@pytest.fixture
def client(db: None) -> Client:
    return a_client(VIEW, "run_backup")


def page_of(run: DrillExecution, action: str = "change") -> str:
    return reverse(f"admin:backups_drillexecution_{action}", args=[run.pk])


def test_the_button_queues_a_drill_and_goes_to_its_page(
    client: Client, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    execution = an_execution()
    with django_capture_on_commit_callbacks(execute=True):
        page = page_at(client, url(execution, "drill"), {})
    run = DrillExecution.objects.get()
    assert (run.execution, run.kind, run.status, run.triggered_by) == (execution, "drill", "queued", "bob")
    assert OrmQ.objects.get().task["func"] == "backups.worker.tasks.drill"
    assert page.messages() == ["success"]
    state = page.run(run.pk)
    assert (state.status, state["data-run"], state.field("detail").text) == ("queued", run.pk, "waiting for a worker")
    assert page.actions() == {"cancel"}
    assert page.facts("instance", "execution", "destination", "kind", "triggered_by", "verdict") == {
        "instance": "shop",
        "execution": execution.pk,
        "destination": "nas",
        "kind": "drill",
        "triggered_by": "bob",
        "verdict": "",
    }
    notes = set(LogEntry.objects.values_list("object_id", "change_message"))
    assert notes == {(execution.pk, "Started a drill."), (run.pk, f"Started the drill of {execution}.")}


def test_a_verification_is_queued_like_a_drill(client: Client) -> None:
    page = page_at(client, url(an_execution(), "verify"), {})
    assert DrillExecution.objects.get().kind == "verification"
    assert page.messages() == ["success"]
    assert page.field("kind").value == "verification"


@pytest.mark.parametrize("action", ["drill", "verify"])
def test_who_presses_again_is_led_to_the_one_that_waits(action: str, client: Client) -> None:
    execution = an_execution()
    client.post(url(execution, action))
    first = DrillExecution.objects.get()
    assert client.post(url(execution, action))["Location"] == page_of(first)
    said = page_at(client, url(execution, action), {}).message_texts("warning")
    assert len(said) == 2
    assert all(f"{first.pk}, requested by bob" in one for one in said)
    assert DrillExecution.objects.count() == 1


@pytest.mark.parametrize("action", ["drill", "verify"])
def test_who_may_not_run_backups_starts_none(action: str) -> None:
    execution = an_execution()
    client = a_client(VIEW)
    assert client.post(url(execution, action)).status_code == 403
    assert client.get(url(execution, action)).status_code == 302
    assert not DrillExecution.objects.exists()
    assert page_at(client, url(execution)).actions() == set()


def test_a_drill_that_passed_says_how_long_a_recovery_takes(backed_up: Run, client: Client) -> None:
    execution = backed_up()
    client.post(url(execution, "drill"))
    run = run_drill(DrillExecution.objects.get().pk)
    page = page_at(client, page_of(run))
    verdict = page.notice("verdict")
    assert verdict.status == page.field("verdict").value == "passed"
    assert verdict.facts("files", "databases", "rows") == {"files": "1", "databases": "1", "rows": "1500"}
    took = str(run.seconds)
    assert verdict.field("seconds").value == page.section("facts").field("seconds").value == took
    backup = page_at(client, url(execution))
    assert backup.notice("drill-passed").facts("rows", "seconds") == {"rows": "1500", "seconds": took}
    row = backup.section("drills").row(run.pk)
    assert row.run().field("label").text == "Passed"
    assert row.facts("kind", "triggered_by", "seconds") == {"kind": "drill", "triggered_by": "bob", "seconds": took}
    assert execution.started_at is not None
    assert f"{execution.started_at:%Y-%m-%d}" in page_at(client, "/admin/").row("shop").field("proven_until").text
    shown = page_at(client, SHOP).section("state").field("last_drill")
    assert (shown.facts("seconds"), shown.value) == ({"seconds": took}, "passed")


def test_a_failed_drill_is_loud_on_every_page(backed_up: Run, client: Client, settings: Settings) -> None:
    execution = backed_up()
    an_execution("wiki")
    damage(archive_of(execution, settings))
    client.post(url(execution, "drill"))
    run = DrillExecution.objects.get()
    with pytest.raises(Exception, match="SHA-256 differs"):
        run_drill(run.pk)
    verdict = page_at(client, page_of(run)).notice("verdict")
    assert verdict.status == "failed"
    assert verdict.field("message").text.startswith("shop/manual/")
    assert page_at(client, url(execution)).notice("drill-failed")["role"] == "alert"
    front = page_at(client, "/admin/")
    assert "No backup of shop is known to restore" in front.field("banner").text
    assert url(execution) in front.notice("drill-failed", "shop").links()
    row = front.row("shop")
    assert (row.status, row.flags(), good_of(row)) == ("unprotected", ["drill-failed"], "")
    assert [one["data-reason"] for one in row.all(data_reason="*")] == ["nothing-restores", "drill-failed"]


def test_a_failed_verification_is_as_loud(client: Client) -> None:
    an_execution("wiki")
    good = an_execution(age=timedelta(hours=3))
    execution = an_execution()
    a_drill(execution, kind="verification", verdict="failed", error_message="<b>cut</b>", error_hint="use another")
    page = page_at(client, url(execution))
    assert page.field("verified_at").status == "failed"
    assert page.notice("verification-failed").facts("message", "hint") == {
        "message": "<b>cut</b>.",
        "hint": "use another.",
    }
    assert "<b>cut" not in page.html
    front = page_at(client, "/admin/")
    assert "The last verification of shop failed" in front.field("banner").text
    row = front.row("shop")
    assert (row.status, row.flags()) == ("at-risk", ["verification-failed"])
    assert good_of(row) == good.pk, "the good backup before it still is one"
    instance = page_at(client, SHOP)
    assert instance.notice("verification-failed", "shop").field("message").text == "<b>cut</b>."
    for shown in (instance, page_at(client, "/admin/backups/backupexecution/")):
        state = shown.run(execution.pk)
        assert (state.status, state.field("detail").text) == ("completed", "its verification failed")
        assert state.field("label").status == "late"
    a_drill(execution, verdict="passed")
    page = page_at(client, url(execution))
    assert page.notices() == ["drill-passed"]
    assert (page.field("verified_at").status, page.run(execution.pk).field("label").status) == ("none", "completed")
    assert page_at(client, "/admin/").row("shop").flags() == []
    assert "verification-failed" not in page_at(client, "/admin/").notices()


def test_a_drill_without_a_verdict_says_that_it_says_nothing(client: Client) -> None:
    execution = an_execution()
    run = a_drill(execution, status="failed", error_message="the nas does not answer", error_hint="wake it")
    page = page_at(client, page_of(run))
    assert page.run().field("detail").text == "the nas does not answer"
    verdict = page.notice("verdict")
    assert verdict.status == "none"
    assert verdict.facts("message", "hint") == {"message": "the nas does not answer.", "hint": "wake it."}
    assert page.field("verdict").value == ""
    label = page_at(client, LIST).run(run.pk).field("label")
    assert (label.status, label.text) == ("late", "No verdict")
    front = page_at(client, "/admin/")
    assert page_of(run) in front.notice("drill-without-verdict", "shop").links()
    assert front.notice("drill-without-verdict").field("message").text == "the nas does not answer."
    assert front.notice("drill-without-verdict").field("hint").text == "wake it."
    assert front.row("shop").all(data_reason="drill-without-verdict")
    assert good_of(front.row("shop")) == execution.pk
    a_drill(execution, verdict="passed", created_at=timezone.now() + timedelta(seconds=1))
    assert "drill-without-verdict" not in page_at(client, "/admin/").notices()


def test_what_waits_and_what_runs_is_on_the_front_page(client: Client) -> None:
    execution = an_execution()
    run = a_drill(execution, status="queued", age=timedelta(minutes=3))
    state = page_at(client, "/admin/").row("shop").run(run.pk)
    assert (state.status, state.field("detail").text.startswith("no worker took it for 3 min")) == ("queued", True)
    other = a_drill(
        an_execution("wiki"), status="running", stage="unpacking", progress_percent=40, heartbeat_at=timezone.now()
    )
    front = page_at(client, "/admin/")
    state = front.row("wiki").run(other.pk)
    assert (state.status, state.one("progress")["value"]) == ("running", "40")
    detail = front.row("shop").run(run.pk).field("detail").text
    assert detail == "waiting until the slot for drills is free"
    answer = client.get(f"{LIST}status/?ids={run.pk}").json()["executions"][0]
    assert (answer["label"], answer["tone"], answer["active"]) == ("Queued", "queued", True)
    assert [step["name"] for step in answer["steps"]] == ["waiting", "fetching", "unpacking", "checking"]


def test_a_queued_drill_is_cancelled_by_who_may_run_backups(client: Client) -> None:
    run = a_drill(an_execution(), status="queued")
    other = a_client(VIEW, name="carol")
    assert other.post(page_of(run, "cancel")).status_code == 403
    page = page_at(client, page_of(run, "cancel"), {})
    assert (page.messages(), page.run().status) == (["success"], "cancelled")
    run.refresh_from_db()
    assert (run.status, run.cancel_requested_by) == ("cancelled", "bob")


def test_the_list_shows_verdicts_and_filters_by_them() -> None:
    client = a_client(VIEW)
    good = a_drill(an_execution(), verdict="passed", seconds=4.2, bytes=2_000_000)
    bad = a_drill(an_execution("wiki"), kind="verification", verdict="failed", error_message="cut")
    page = page_at(client, LIST)
    assert set(page.listed_runs()) == {good.pk, bad.pk}
    row = page.listed_row(good.pk)
    assert row.facts("instance", "seconds", "bytes") == {"instance": "shop", "seconds": "4.2", "bytes": "2000000"}
    assert row.run().field("label").text == "Passed"
    assert page.listed_row(bad.pk).run().status == "failed"
    for query, only in (
        ("verdict__exact=passed", good),
        ("kind__exact=verification", bad),
        (f"execution={bad.execution_id}", bad),
    ):
        assert page_at(client, f"{LIST}?{query}").listed_runs() == [only.pk]


def test_who_may_not_see_backups_sees_no_drills() -> None:
    run = a_drill(an_execution(), verdict="passed")
    client = a_client("view_restoreexecution")
    assert [client.get(address).status_code for address in (LIST, page_of(run), f"{LIST}status/?ids={run.pk}")] == [
        403, 403, 403,
    ]  # fmt: skip
    assert a_client(VIEW, name="carol").get(page_of(run)).status_code == 200


def test_a_backup_without_an_archive_is_not_drilled(client: Client) -> None:
    execution = an_execution(deleted_at=timezone.now())
    said = page_at(client, url(execution, "drill"), {}).message("error")
    assert f"{execution} has no archive to drill." in said
    assert not DrillExecution.objects.exists()


def test_a_drill_that_cannot_start_is_not_counted_as_one(client: Client) -> None:
    run = a_drill(an_execution(deleted_at=timezone.now()), status="queued")
    with pytest.raises(BackupError):
        run_drill(run.pk)
    assert page_at(client, SHOP).field("last_drill").value == ""
