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
from backups.service.drill import run_drill
from tests.backups.admin.pages import buttons, raw, text, url
from tests.backups.admin.test_actions import archive_of, damage
from tests.backups.factories import VIEW, a_client, a_drill, an_execution

pytestmark = pytest.mark.django_db
Run = Callable[[], BackupExecution]
LIST = "/admin/backups/drillexecution/"


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
        page = text(client, url(execution, "drill"), {})
    run = DrillExecution.objects.get()
    assert (run.execution, run.kind, run.status, run.triggered_by) == (execution, "drill", "queued", "bob")
    assert OrmQ.objects.get().task["func"] == "backups.tasks.drill"
    assert "The drill of shop is queued." in page
    assert f"Drill of shop Queued waiting for a worker Cancel Facts Instance shop Backup {execution} at nas" in page
    assert "Kind Drill, by bob Verdict not yet Created" in page
    assert f'data-live="{run.pk}"' in raw(client, page_of(run))
    notes = set(LogEntry.objects.values_list("object_id", "change_message"))
    assert notes == {(execution.pk, "Started a drill."), (run.pk, f"Started the drill of {execution}.")}


def test_a_verification_is_queued_like_a_drill(client: Client) -> None:
    page = text(client, url(an_execution(), "verify"), {})
    assert DrillExecution.objects.get().kind == "verification"
    assert "The verification of shop is queued." in page


@pytest.mark.parametrize("action", ["drill", "verify"])
def test_who_presses_again_is_led_to_the_one_that_waits(action: str, client: Client) -> None:
    execution = an_execution()
    client.post(url(execution, action))
    first = DrillExecution.objects.get()
    assert client.post(url(execution, action))["Location"] == page_of(first)
    assert f"A {first.kind} of {execution} is waiting already: {first.pk}, asked for by bob." in text(
        client, url(execution, action), {}
    )
    assert DrillExecution.objects.count() == 1


@pytest.mark.parametrize("action", ["drill", "verify"])
def test_who_may_not_run_backups_starts_none(action: str) -> None:
    execution = an_execution()
    client = a_client(VIEW)
    assert client.post(url(execution, action)).status_code == 403
    assert client.get(url(execution, action)).status_code == 405
    assert not DrillExecution.objects.exists()
    assert buttons(raw(client, url(execution))) == set()


def test_a_drill_that_passed_says_how_long_a_recovery_takes(backed_up: Run, client: Client) -> None:
    execution = backed_up()
    client.post(url(execution, "drill"))
    run = run_drill(DrillExecution.objects.get().pk)
    page = text(client, page_of(run))
    assert "Drill of shop Passed The backup restores. " in page
    assert "in 1 file were restored into a scratch place in " in page
    assert "the time of recovery. Every checksum agrees with the manifest, 1 database with 1,500 rows passed" in page
    assert "Verdict Passed Time of recovery " in page
    backup = text(client, url(execution))
    assert "The last drill passed." in backup
    assert "Drills and verifications Started Status What By Took just now Passed Drill bob " in backup
    assert "drilled just now, restored in " in text(client, "/admin/")
    assert "Last drill drilled just now, restored in " in text(client, "/admin/backups/backupexecution/instance/shop/")


def test_a_failed_drill_is_loud_on_every_page(backed_up: Run, client: Client, settings: Settings) -> None:
    execution = backed_up()
    an_execution("wiki")
    damage(archive_of(execution, settings))
    client.post(url(execution, "drill"))
    run = DrillExecution.objects.get()
    with pytest.raises(Exception, match="SHA-256 differs"):
        run_drill(run.pk)
    assert "The archive is not good: shop/manual/" in text(client, page_of(run))
    page = text(client, url(execution))
    assert "The last drill failed: this backup may not restore." in page
    assert "It counts as no good backup until a later drill passes." in page
    front = text(client, "/admin/")
    assert "1 of 2 instances needs attention: the last drill of shop failed." in front
    assert "The last drill of shop failed:" in front
    assert "No good backup Drill failed never" in front
    assert url(execution) in raw(client, "/admin/")


def test_a_failed_verification_is_as_loud(client: Client) -> None:
    an_execution("wiki")
    an_execution(age=timedelta(hours=3))
    execution = an_execution()
    a_drill(execution, kind="verification", verdict="failed", error_message="<b>cut</b>", error_hint="use another")
    assert "Verified failed, 20" in text(client, url(execution))
    assert "The last verification failed: this backup may not restore.</strong> &lt;b&gt;cut&lt;/b&gt;." in raw(
        client, url(execution)
    )
    front = text(client, "/admin/")
    assert "needs attention: the last verification of shop failed." in front
    assert "Safe Verification failed 3 h ago" in front, "the good backup before it still is one"
    instance = text(client, "/admin/backups/backupexecution/instance/shop/")
    assert "The last verification of shop failed: <b>cut</b>." in instance
    assert "Completed its verification failed" in instance
    assert "Completed its verification failed" in text(client, "/admin/backups/backupexecution/")
    a_drill(execution, verdict="passed")
    assert "failed" not in text(client, url(execution)).partition("Drills and verifications")[0]
    assert "verification of shop failed" not in text(client, "/admin/")


def test_a_drill_without_a_verdict_says_that_it_says_nothing(client: Client) -> None:
    execution = an_execution()
    run = a_drill(execution, status="failed", error_message="the nas does not answer", error_hint="wake it")
    page = text(client, page_of(run))
    assert "No verdict the nas does not answer" in page
    assert "What to do: wake it. It came to no verdict: this says nothing of the archive." in page
    assert "Verdict No verdict" in page
    assert 'bs-badge" data-status="late">No verdict' in raw(client, LIST)
    front = text(client, "/admin/")
    assert "The last drill of shop came to no verdict: the nas does not answer." in front
    assert "That says nothing of the backup." in front
    assert "Safe 5 min ago" in front
    a_drill(execution, verdict="passed", created_at=timezone.now() + timedelta(seconds=1))
    assert "no verdict" not in text(client, "/admin/")


def test_what_waits_and_what_runs_is_on_the_front_page(client: Client) -> None:
    execution = an_execution()
    run = a_drill(execution, status="queued", age=timedelta(minutes=3))
    assert "Drill Queued no worker took it for 3 min" in text(client, "/admin/")
    a_drill(an_execution("wiki"), status="running", stage="unpacking", progress_percent=40, heartbeat_at=timezone.now())
    front = text(client, "/admin/")
    assert "Drill Running Unpacking, 40%" in front
    assert "Drill Queued waiting until the place for drills is free" in front
    answer = client.get(f"{LIST}status/?ids={run.pk}").json()["executions"][0]
    assert (answer["label"], answer["tone"], answer["active"]) == ("Queued", "queued", True)
    assert [step["name"] for step in answer["steps"]] == ["waiting", "fetching", "unpacking", "checking"]


def test_a_queued_drill_is_cancelled_by_who_may_run_backups(client: Client) -> None:
    run = a_drill(an_execution(), status="queued")
    other = a_client(VIEW, name="carol")
    assert other.post(page_of(run, "cancel")).status_code == 403
    assert "The drill of shop was cancelled before it started." in text(client, page_of(run, "cancel"), {})
    run.refresh_from_db()
    assert (run.status, run.cancel_requested_by) == ("cancelled", "bob")


def test_the_list_shows_verdicts_and_filters_by_them() -> None:
    client = a_client(VIEW)
    a_drill(an_execution(), verdict="passed", seconds=4.2, bytes=2_000_000)
    a_drill(an_execution("wiki"), kind="verification", verdict="failed", error_message="cut")
    page = text(client, LIST)
    assert "Passed" in page
    assert "4.2 s 2.0 MB" in page
    assert "Verification" in page
    assert 'data-status="failed"' not in raw(client, f"{LIST}?verdict__exact=passed")
    assert 'data-status="completed"' not in raw(client, f"{LIST}?kind__exact=verification")
    execution = BackupExecution.objects.get(instance="wiki")
    assert "1 drill" in text(client, f"{LIST}?execution={execution.pk}")


def test_who_may_not_see_backups_sees_no_drills() -> None:
    run = a_drill(an_execution(), verdict="passed")
    client = a_client("view_restoreexecution")
    assert [client.get(address).status_code for address in (LIST, page_of(run), f"{LIST}status/?ids={run.pk}")] == [
        403, 403, 403,
    ]  # fmt: skip
    assert a_client(VIEW, name="carol").get(page_of(run)).status_code == 200


def test_a_backup_without_an_archive_is_not_drilled(client: Client) -> None:
    execution = an_execution(deleted_at=timezone.now())
    assert f"Drill failed: {execution} has no archive to drill." in text(client, url(execution, "drill"), {})
    assert not DrillExecution.objects.exists()


def test_a_drill_that_cannot_start_is_not_counted_as_one(client: Client) -> None:
    run = a_drill(an_execution(deleted_at=timezone.now()), status="queued")
    with pytest.raises(BackupError):
        run_drill(run.pk)
    assert "Last drill never" in text(client, "/admin/backups/backupexecution/instance/shop/")
