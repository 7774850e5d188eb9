"""The log lines on the page of a run, in the JSON that it polls, and in the commands."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from backups.models import BackupExecution, BackupLog, DrillLog, Run
from tests.support.call_commands import command
from tests.support.pages.admin_pages import LIST, url
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client, a_drill, an_execution

pytestmark = pytest.mark.django_db
FIRST = ["2026-11-28T02:00:00+0100 INFO backups backup.claimed backup=1", "2026-11-28T02:00:01+0100 ERROR x <b>"]
LAST = ["2026-11-28T02:00:02+0100 WARNING destinations.s3 slow"]


@pytest.fixture
def client(db: None) -> Client:
    return a_client(VIEW)


def a_log(backup: BackupExecution) -> BackupLog:
    return BackupLog.objects.create(
        run=backup, first="\n".join(FIRST), last="\n".join(LAST), left_out=3, written_at=timezone.now()
    )


def test_the_page_shows_the_lines_with_their_levels_and_the_gap(client: Client) -> None:
    backup = an_execution()
    a_log(backup)
    page = page_at(client, url(backup))
    log = page.section("log").field("log")
    lines = log.all("span")
    assert [line.get("data-level") for line in lines] == ["", "ERROR", "", "WARNING"]
    assert lines[1].text == FIRST[1] and "3 lines" in lines[2].text
    assert (log["tabindex"], log.get("data-log-url")) == ("0", "")


def test_the_page_of_a_drill_shows_its_lines_and_one_without_any_has_no_section(client: Client) -> None:
    drill = a_drill(an_execution(), verdict="passed")
    address = reverse("admin:backups_drillexecution_change", args=[drill.pk])
    assert "log" not in page_at(client, address).sections()
    DrillLog.objects.create(run=drill, first=FIRST[0], written_at=timezone.now())
    assert FIRST[0] in page_at(client, address).section("log").text


def test_the_lines_of_a_run_that_runs_are_polled_and_sent_only_when_they_are_new(client: Client) -> None:
    backup = an_execution(status=Run.Status.RUNNING, heartbeat_at=timezone.now())
    log = page_at(client, url(backup)).section("log").field("log")
    assert log["data-log-url"] == url(backup, "log")
    assert client.get(log["data-log-url"], {"since": log["data-value"]}).status_code == 204
    a_log(backup)
    answer = client.get(log["data-log-url"], {"since": log["data-value"]})
    assert "no-store" in answer["Cache-Control"]
    assert [line for _, line in answer.json()["lines"]][:2] == FIRST
    assert client.get(log["data-log-url"], {"since": answer.json()["written_at"]}).status_code == 204
    assert client.post(log["data-log-url"]).status_code == 405
    assert client.get(url(backup, "log").replace(backup.pk, "nothing")).status_code == 404
    assert a_client("view_restoreexecution", name="eve").get(log["data-log-url"]).status_code == 403


def test_lists_and_the_front_page_do_not_read_the_lines(admin: Client) -> None:
    a_log(an_execution())
    for address in (LIST, "/admin/"):
        with CaptureQueriesContext(connection) as queries:
            assert admin.get(address).status_code == 200
        assert not [query for query in queries if "_logs" in query["sql"]]


def test_the_commands_print_the_lines_where_they_are_asked_for() -> None:
    backup = an_execution()
    assert "No log lines were kept" in command("showbackup", backup.pk, "--log").out
    a_log(backup)
    assert FIRST[0] not in command("showbackup", backup.pk).out
    text = command("showbackup", backup.pk, "--log").out
    assert text.index(FIRST[1]) < text.index("[3 lines") < text.index(LAST[0])
    assert "log" not in command("showbackup", backup.pk, "--json").data
    log = command("showbackup", backup.pk, "--log", "--json").data["log"]
    assert (log["lines"], log["left_out"], log["left_out_after"]) == ([*FIRST, *LAST], 3, 2)


def test_codes_that_another_program_wrote_reach_no_terminal() -> None:
    backup = an_execution()
    BackupLog.objects.create(run=backup, first="\x1b[2J odd", written_at=timezone.now())
    assert "\x1b" not in command("showbackup", backup.pk, "--log").out
