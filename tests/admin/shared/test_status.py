"""The JSON that pages poll."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from backups.models import BackupExecution
from tests.support.pages.admin_pages import LIST, url
from tests.support.rows import VIEW, Status, a_client, an_execution

pytestmark = pytest.mark.django_db
BATCH = f"{LIST}status/"
Stage = BackupExecution.Stage


def polled(client: Client, execution: BackupExecution) -> dict[str, Any]:
    response = client.get(url(execution, "status"))
    assert response.status_code == 200
    (found,) = response.json()["executions"]
    assert found["id"] == execution.pk
    return dict(found)


def running(**fields: Any) -> BackupExecution:
    return an_execution(**{"status": Status.RUNNING, "heartbeat_at": timezone.now(), "stage": Stage.PACKING} | fields)


def test_a_running_backup_says_its_stage_and_progress() -> None:
    now = timezone.now()
    timeline = [["preparing", now.isoformat()], ["packing", (now + timedelta(seconds=2)).isoformat()]]
    found = polled(a_client(VIEW), running(progress_percent=63, progress_bytes=9, timeline=timeline))
    assert (found["status"], found["label"], found["percent"], found["active"]) == ("running", "Running", 63, True)
    assert found["detail"] == "Packing, 63%"
    steps = {step["name"]: step for step in found["steps"]}
    assert [step["state"] for step in found["steps"]] == ["done", "done", "ahead", "ahead", "now", "ahead", "ahead"]
    assert steps["preparing"]["took"] == "2.0 s"
    assert steps["uploading"]["began"] == ""


def test_a_run_without_a_heartbeat_says_for_how_long() -> None:
    found = polled(a_client(VIEW), running(heartbeat_at=timezone.now() - timedelta(seconds=95)))
    assert found["silent"]
    assert found["detail"].startswith("no heartbeat for 1 min 35 s")


def test_a_cancelled_one_that_still_runs_says_who_cancelled_it() -> None:
    cancelled = {"cancel_requested_at": timezone.now(), "cancel_requested_by": "carol"}
    assert polled(a_client(VIEW), running(**cancelled))["detail"] == "stopping, cancelled by carol"


def test_a_queued_one_waits_for_a_worker_and_names_it_as_missing_after_a_while() -> None:
    client = a_client(VIEW)
    assert polled(client, an_execution(status=Status.QUEUED, age=timedelta(0)))["detail"] == "waiting for a worker"
    old = polled(client, an_execution(status=Status.QUEUED, kind="scheduled", age=timedelta(seconds=61)))
    assert old["detail"].startswith("no worker took it for 1 min")
    assert old["detail"].endswith("is the worker running?")


def test_a_queued_one_waits_for_an_instances_file_that_cannot_be_read(settings: Settings, tmp_path: Path) -> None:
    settings.BACKUP_INSTANCES, settings.BACKUP_INSTANCES_FILE = None, tmp_path / "instances.toml"
    settings.BACKUP_INSTANCES_FILE.write_text("[shop")
    waiting = polled(a_client(VIEW), an_execution(status=Status.QUEUED, age=timedelta(seconds=61)))
    assert waiting["detail"] == "waiting until the instances file can be read"


def test_one_that_a_command_made_for_itself_waits_for_no_worker() -> None:
    own = an_execution(status=Status.QUEUED, owner="process", worker="vm:4711", age=timedelta(minutes=1))
    assert polled(a_client(VIEW), own)["detail"] == "vm:4711, which created it, is about to run it"


def test_a_queued_one_behind_a_running_one_says_that_it_waits_for_it() -> None:
    running()
    found = polled(a_client(VIEW), an_execution(status=Status.QUEUED, age=timedelta(hours=1)))
    assert found["detail"] == "waiting until shop is free"


def test_ended_ones_say_what_matters_about_them() -> None:
    client, now = a_client(VIEW), timezone.now()
    assert polled(client, an_execution())["detail"] == ""
    assert polled(client, an_execution(warnings=["a", "b"], pinned=True))["detail"] == "2 warnings, pinned"
    assert polled(client, an_execution(deleted_at=now))["detail"] == "archive deleted"
    assert polled(client, an_execution(missing_at=now))["detail"] == "found missing just now"
    assert polled(client, an_execution(deleting_at=now))["detail"] == "archive is being deleted"
    failed = polled(client, an_execution(status=Status.FAILED, error_message="disk full", error_hint="free space"))
    assert (failed["detail"], failed["error_hint"], failed["active"]) == ("disk full", "free space", False)
    assert failed["steps"][-1]["label"] == "Failed"


def test_a_batch_leaves_unknown_ids_out_and_refuses_more_than_fifty() -> None:
    client, one, two = a_client(VIEW), an_execution(), an_execution()
    found = client.get(BATCH, {"ids": f"{one.pk},{two.pk},unknown,,"}).json()["executions"]
    assert {execution["id"] for execution in found} == {one.pk, two.pk}
    assert client.get(BATCH).json() == {"executions": []}
    refused = client.get(BATCH, {"ids": ",".join(map(str, range(51)))})
    assert (refused.status_code, refused.json()) == (400, {"error": "at most 50 ids at once"})


def test_an_answer_is_never_stored() -> None:
    client, execution = a_client(VIEW), an_execution()
    assert "no-store" in client.get(url(execution, "status")).headers["Cache-Control"]
    assert "no-store" in client.get(BATCH).headers["Cache-Control"]


def test_an_unknown_id_is_not_found_and_only_get_is_answered() -> None:
    client, execution = a_client(VIEW), an_execution()
    assert client.get(f"{LIST}unknown/status/").status_code == 404
    assert client.post(url(execution, "status")).status_code == 405


def test_users_without_the_permission_are_refused() -> None:
    execution = an_execution()
    other = a_client("run_backup", "download_backup", "delete_backup")
    assert other.get(url(execution, "status")).status_code == 403
    assert other.get(BATCH, {"ids": execution.pk}).status_code == 403
    assert Client().get(BATCH, {"ids": execution.pk}).status_code == 302


@pytest.mark.parametrize("number", [1, 50])
def test_a_batch_of_any_size_takes_one_query(number: int, django_assert_num_queries: Any) -> None:
    client = a_client(VIEW)
    ids = ",".join(an_execution(f"shop{index}", status=Status.QUEUED).pk for index in range(number))
    with django_assert_num_queries(5):  # session, user, two for permissions, executions
        assert len(client.get(BATCH, {"ids": ids}).json()["executions"]) == number
