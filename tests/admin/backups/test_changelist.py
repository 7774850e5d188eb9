"""The list of backups."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import OrmQ

from backups.admin.shared import changelist as runs
from backups.models import BackupExecution
from tests.support.pages.admin_pages import LIST, START, url
from tests.support.pages.parsed import Page, page_at
from tests.support.rows import VIEW, Status, a_client, a_destination, an_execution

pytestmark = pytest.mark.django_db


def shown(client: Client, **query: Any) -> set[str]:
    """Return the ids of the executions in the list."""
    page = Page(client.get(LIST, query).content.decode())
    return set(page.listed_runs())


def again(client: Client, *selected: BackupExecution) -> Page:
    return page_at(client, LIST, {"action": "back_up_again", "_selected_action": [one.pk for one in selected]})


def test_a_row_says_what_when_where_and_how_large() -> None:
    execution = an_execution(comment="before the upgrade", age=timedelta(hours=3), kind="scheduled")
    page = page_at(a_client(VIEW), LIST)
    row = page.listed_row(execution.pk)
    assert execution.started_at is not None
    assert row.run().status == "completed"
    assert row.facts("instance", "comment", "created_at", "compressed_size_bytes", "duration") == {
        "instance": "shop",
        "comment": "before the upgrade",
        "created_at": execution.created_at.isoformat(),
        "compressed_size_bytes": "1004096",
        "duration": "3.0 s",
    }
    assert row.field("instance")["href"] == url(execution)
    assert row.one(class_="field-began").text == f"{execution.started_at:%Y-%m-%d %H:%M} 3 h ago"
    assert [row.one(class_=f"field-{name}").text for name in ("kind", "destination")] == ["Scheduled", "nas"]


def test_the_second_and_the_file_name_are_a_hover_away() -> None:
    execution = an_execution()
    row = page_at(a_client(VIEW), LIST).listed_row(execution.pk)
    began = row.field("created_at").one("time")
    assert began["title"] == f"{execution.started_at:%Y-%m-%d %H:%M:%S} UTC"
    assert began.text == f"{execution.started_at:%Y-%m-%d %H:%M}"
    assert row.field("instance")["title"] == execution.backup_filename


def test_a_running_row_shows_live_progress_and_an_ended_one_is_not_polled() -> None:
    run = an_execution(status=Status.RUNNING, heartbeat_at=timezone.now(), stage="packing", progress_percent=40)
    ended = an_execution()
    page = page_at(a_client(VIEW), LIST)
    state = page.run(run.pk)
    assert (state.status, state["data-run"], state["data-live"]) == ("running", run.pk, f"{LIST}status/")
    assert state.one("progress").attributes == {"max": "100", "value": "40", "aria-label": "progress"}
    assert "data-live" not in page.run(ended.pk).attributes


def test_a_failed_row_says_why() -> None:
    execution = an_execution(status=Status.FAILED, error_message="the disk of nas is full")
    state = page_at(a_client(VIEW), LIST).run(execution.pk)
    assert (state.status, state.field("detail").text) == ("failed", "the disk of nas is full")


def test_what_users_typed_is_escaped() -> None:
    evil = '"><script>alert(1)</script>'
    an_execution(comment=evil)
    page = page_at(a_client(VIEW), LIST)
    assert "<script>alert" not in page.html
    comment = page.field("comment")
    assert (comment.text, comment["title"]) == (evil, evil)


@pytest.mark.parametrize(
    ("filter_", "value"),
    [("status__exact", "failed"), ("instance", "wiki"), ("kind__exact", "scheduled"), ("destination__name", "other")],
)
def test_filters_narrow_the_list(filter_: str, value: str) -> None:
    an_execution()
    wanted = an_execution("wiki", status=Status.FAILED, kind="scheduled", destination=a_destination("other"))
    query = {filter_: value}
    if filter_ == "destination__name":
        query = {"destination__id__exact": wanted.destination_id}
    assert shown(a_client(VIEW), **query) == {wanted.pk}


def test_search_finds_instance_file_name_comment_and_the_whole_id() -> None:
    client, other = a_client(VIEW), an_execution()
    wanted = an_execution("wiki", comment="before the upgrade")
    for words in ("wik", wanted.backup_filename, "UPGRADE", wanted.pk):
        assert shown(client, q=words) == {wanted.pk}
    assert shown(client, q=wanted.pk[9:]) == set()
    assert shown(client, q="shop") == {other.pk}


def test_dates_narrow_the_list_until_the_history_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    client = a_client(VIEW)
    new, old = an_execution(), an_execution(age=timedelta(days=800))
    assert str(old.created_at.year) in page_at(client, LIST).filter_links("created_at__year")
    assert shown(client, created_at__year=new.created_at.year) == {new.pk}
    monkeypatch.setattr(runs, "DATE_HIERARCHY_ROWS", 1)
    assert "created_at__year" not in page_at(client, LIST).html


def test_the_number_of_queries_does_not_grow_with_the_rows() -> None:
    client = a_client(VIEW, "run_backup")
    counts = []
    for number in (5, 45):
        for index in range(number):
            status = Status.QUEUED if index % 2 else Status.COMPLETED
            an_execution(status=status, destination=a_destination(f"nas{number}-{index}"))
        with CaptureQueriesContext(connection) as queries:
            rows = shown(client)
        assert len(rows) == BackupExecution.objects.count()
        counts.append(len(queries))
        assert not any("manifest_json" in query["sql"] for query in queries)
    assert counts[0] == counts[1] <= 12


def test_users_without_the_permission_do_not_see_it() -> None:
    assert a_client("run_backup", "download_backup", "delete_backup").get(LIST).status_code == 403


def test_no_user_adds_changes_or_deletes_a_row(admin: Client) -> None:
    execution = an_execution()
    assert admin.get(f"{LIST}add/").status_code == 403
    assert admin.get(f"{LIST}{execution.pk}/delete/").status_code == 403
    assert admin.post(f"{LIST}{execution.pk}/delete/", {"post": "yes"}).status_code == 403
    admin.post(LIST, {"action": "delete_selected", "_selected_action": [execution.pk], "post": "yes"})
    admin.post(url(execution), {"status": "failed"})
    execution.refresh_from_db()
    assert execution.status == Status.COMPLETED


def test_back_up_now_and_back_up_again_are_shown_to_those_who_may() -> None:
    an_execution()
    may, other = page_at(a_client(VIEW, "run_backup"), LIST), page_at(a_client(VIEW, name="carol"), LIST)
    assert may.action("start")["href"] == START
    assert may.all("option", value="back_up_again")
    assert START not in other.html
    assert "back_up_again" not in other.html


def test_back_up_again_starts_one_for_each_instance_and_destination(django_capture_on_commit_callbacks: Any) -> None:
    other = a_destination("other")
    rows = [an_execution(), an_execution(status=Status.FAILED), an_execution("wiki"), an_execution(destination=other)]
    with django_capture_on_commit_callbacks(execute=True):
        page = again(a_client(VIEW, "run_backup"), *rows)
    queued = BackupExecution.objects.filter(status=Status.QUEUED)
    assert sorted(queued.values_list("instance", "destination__name", "triggered_by", "kind")) == [
        ("shop", "nas", "bob", "manual"),
        ("shop", "other", "bob", "manual"),
        ("wiki", "nas", "bob", "manual"),
    ]
    assert page.messages() == ["success"] * 3
    assert OrmQ.objects.count() == LogEntry.objects.count() == 3


def test_back_up_again_says_what_cannot_be_and_starts_the_rest() -> None:
    page = again(a_client(VIEW, "run_backup"), an_execution("gone"), an_execution())
    assert sorted(page.messages()) == ["error", "success"]
    assert "There is no instance 'gone'" in page.message("error")
    assert [execution.instance for execution in BackupExecution.objects.filter(status=Status.QUEUED)] == ["shop"]


def test_back_up_again_is_refused_without_the_permission() -> None:
    again(a_client(VIEW), an_execution())
    assert not BackupExecution.objects.filter(status=Status.QUEUED).exists()


def test_the_list_is_sorted_by_the_moment_that_it_shows_and_names_that_of_the_data_beside_it() -> None:
    imported = an_execution(age=timedelta(minutes=1), started_at=timezone.now() - timedelta(days=30))
    made = an_execution(age=timedelta(hours=1))
    page = page_at(a_client(VIEW), LIST)
    assert page.listed_runs() == [imported.pk, made.pk]
    moments = [row.field("created_at").value for row in page.listed()]
    assert moments == sorted(moments, reverse=True)
    assert imported.started_at is not None
    assert f"data of {imported.started_at:%Y-%m-%d %H:%M}" in page.listed_row(imported.pk).text
    assert "data of" not in page.listed_row(made.pk).text
