"""The page of one backup."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backups.admin.shared.permissions import ACTIONS
from backups.lib import audit
from backups.models import BackupExecution
from tests.support.pages.admin_pages import LIST, url
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, Status, a_client, a_manifest, a_user, an_execution

pytestmark = pytest.mark.django_db


def test_it_shows_all_facts_of_a_completed_backup() -> None:
    execution = an_execution(comment="before the upgrade", age=timedelta(minutes=5))
    page = page_at(a_client(VIEW), url(execution))
    assert execution.started_at is not None and execution.completed_at is not None
    assert page.title == "Backup of shop"
    assert page.section("state").run(execution.pk).status == "completed"
    facts = {
        "instance": "shop",
        "destination": "nas",
        "kind": "manual",
        "triggered_by": "alice",
        "comment": "before the upgrade",
        "started_at": execution.started_at.isoformat(),
        "completed_at": execution.completed_at.isoformat(),
        "duration": "3.0",
        "backup_filename": execution.backup_filename,
        "backup_path": f"shop/manual/{execution.backup_filename}",
        "archive_sha256": execution.archive_sha256,
        "compressed_size_bytes": "1004096",
        "ratio": "50%",
        "size_bytes": "2008192",
        "files_included": "2",
        "compression": "gzip",
        "encryption": "",
        "verified_at": "",
        "id": execution.pk,
    }
    shown = page.section("facts")
    assert shown.facts(*facts) == facts
    assert shown.field("started_at").text == f"{execution.started_at:%Y-%m-%d %H:%M} (5 min ago)"


def test_the_components_are_a_table_with_records_sizes_and_checksums() -> None:
    client, execution = a_client(VIEW), an_execution()
    components = page_at(client, url(execution)).section("components")
    orders = components.row("orders.db")
    names = ("component", "type", "records", "size_bytes", "checksum_sha256")
    assert list(orders.facts(*names).values()) == ["orders", "database", "1234", "8192", "a" * 64]
    tables = orders.section("tables")
    assert {name: tables.row(name).field("rows").value for name in tables.rows()} == {
        "orders": "1200",
        "customers": "34",
    }
    assert orders.one("code", class_="bs-hash")["title"] == "a" * 64
    uploads = components.row("uploads.tar")
    assert list(uploads.facts(*names).values()) == ["uploads", "data", "", "2000000", "b" * 64]
    absent = components.row("thumbnails")
    assert (absent.status, absent.field("reason").text) == ("absent", "/srv/shop/thumbnails does not exist.")


def test_the_timeline_shows_when_each_stage_began_and_how_long_it_took() -> None:
    began = timezone.now() - timedelta(minutes=1)
    stages = [("preparing", 0), ("exporting", 1), ("packing", 3), ("completed", 10)]
    execution = an_execution(
        created_at=began - timedelta(seconds=4),
        started_at=began,
        completed_at=began + timedelta(seconds=10),
        timeline=[[name, (began + timedelta(seconds=offset)).isoformat()] for name, offset in stages],
    )
    timeline = page_at(a_client(VIEW), url(execution)).section("timeline")
    steps = {step["data-step"]: step for step in timeline.all(data_step="*")}
    assert {name: step.field("took").text for name, step in steps.items()} == {
        "waiting": "4.0 s",
        "preparing": "1.0 s",
        "exporting": "2.0 s",
        "checking": "",
        "packing": "7.0 s",
        "uploading": "",
        "recording": "",
        "end": "10 s",
    }
    assert {name for name, step in steps.items() if not step.field("began").text} == {
        "checking", "uploading", "recording",
    }  # fmt: skip
    assert steps["preparing"].field("began").text == f"{began:%H:%M:%S}"


def test_a_failed_one_says_what_to_do_and_where_it_stopped() -> None:
    execution = an_execution(status=Status.FAILED, error_message="the disk is full", error_hint="free space")
    client = a_client(VIEW)
    page = page_at(client, url(execution))
    assert page.run().status == "failed"
    error = page.notice("error")
    assert error["role"] == "alert"
    assert error.facts("message", "hint") == {"message": "the disk is full.", "hint": "free space."}
    assert page.one(data_step="preparing")["data-state"] == "broken"
    assert page.one(data_step="packing")["data-state"] == "skipped"
    assert "components" not in page.sections()


def test_warnings_pins_deletions_and_losses_are_shown() -> None:
    now = timezone.now()
    execution = an_execution(
        warnings=["uploads grew while it was read"],
        pinned=True,
        pin_reason="audit",
        deleted_reason="old",
        deleted_at=now,
    )
    page = page_at(a_client(VIEW), url(execution))
    assert page.notice("warnings").fields("warning") == ["uploads grew while it was read"]
    assert page.facts("pin_reason", "deleted_at", "deleted_reason") == {
        "pin_reason": "audit",
        "deleted_at": now.isoformat(),
        "deleted_reason": "old",
    }
    lost = an_execution(missing_at=now, verified_at=now)
    page = page_at(a_client(VIEW, name="carol"), url(lost))
    assert page.field("missing_at").value == now.isoformat()
    verified = page.field("verified_at")
    assert (verified.status, verified.value) == ("gone", now.isoformat())
    verified = page_at(a_client(VIEW, name="dave"), url(an_execution(verified_at=now))).field("verified_at")
    assert (verified.status, verified.value) == ("verified", now.isoformat())
    assert "(just now)" in verified.text


def test_an_active_one_refreshes_itself() -> None:
    execution = an_execution(status=Status.RUNNING, heartbeat_at=timezone.now())
    page = page_at(a_client(VIEW), url(execution))
    state = page.run()
    assert (state["data-run"], state["data-live"]) == (execution.pk, f"{LIST}status/")
    assert "defer" in page.one("script", src="/static/backups/live.js").attributes
    assert "data-live" not in page_at(a_client(VIEW, name="carol"), url(an_execution())).html


def test_what_users_typed_is_escaped() -> None:
    evil = "<script>alert(1)</script>"
    execution = an_execution(
        status=Status.FAILED, comment=evil, triggered_by=evil, error_message=evil, error_hint=evil, warnings=[evil]
    )
    page = page_at(a_client(VIEW), url(execution))
    assert "<script>alert" not in page.html
    assert page.facts("comment", "triggered_by", "warning", "detail") == dict.fromkeys(
        ("comment", "triggered_by", "warning", "detail"), evil
    )
    assert page.notice("error").facts("message", "hint") == {"message": f"{evil}.", "hint": f"{evil}."}


def test_a_manifest_that_cannot_be_read_is_an_error_on_the_page() -> None:
    manifest = a_manifest().to_dict() | {"total_size_bytes": 1}
    page = page_at(a_client(VIEW), url(an_execution(manifest_json=manifest)))
    assert "1 bytes in all" in page.notice("manifest").field("message").text
    assert "facts" in page.sections() and "components" not in page.sections()


def test_the_history_says_who_did_what() -> None:
    execution = an_execution()
    audit.note(a_user(name="carol"), execution, "Downloaded it.")
    entry = LogEntry.objects.get()
    row = page_at(a_client(VIEW), url(execution)).section("history").row(str(entry.pk))
    assert row.facts("user", "message", "action_time") == {
        "user": "carol",
        "message": "Downloaded it.",
        "action_time": entry.action_time.isoformat(),
    }
    assert "carol" in page_at(a_client(VIEW, name="dave"), url(execution, "history")).text


@pytest.mark.parametrize(
    ("permissions", "actions"),
    [
        ((), set()),
        (("run_backup",), {"verify", "drill", "copy", "again"}),
        (("download_backup",), {"download", "download_signature"}),
        (("delete_backup",), {"delete_archive"}),
        (("restore_backup",), {"restore"}),
        (
            ("run_backup", "download_backup", "delete_backup"),
            {"verify", "drill", "copy", "again", "download", "download_signature", "delete_archive"},
        ),
    ],
)
def test_buttons_are_those_that_the_user_may_press(permissions: tuple[str, ...], actions: set[str]) -> None:
    assert page_at(a_client(VIEW, *permissions), url(an_execution())).actions() == actions


@pytest.mark.parametrize(
    ("fields", "actions"),
    [
        ({"status": Status.QUEUED}, {"cancel"}),
        ({"status": Status.RUNNING}, {"cancel"}),
        ({"status": Status.RUNNING, "cancel_requested_at": timezone.now()}, set()),
        ({"status": Status.FAILED}, {"again"}),
        ({"deleted_at": timezone.now()}, {"again"}),
        ({"missing_at": timezone.now()}, {"again", "accept_loss"}),
        ({"pinned": True}, {"again", "verify", "drill", "copy", "restore", "download", "download_signature", "unpin"}),
    ],
)
def test_buttons_fit_the_state(admin: Client, fields: dict[str, object], actions: set[str]) -> None:
    assert page_at(admin, url(an_execution(**fields))).actions() == actions


def test_an_unknown_id_leads_to_the_list_and_says_so() -> None:
    page = page_at(a_client(VIEW), f"{LIST}no-such-id/change/")
    assert "“no-such-id”" in page.message("warning")
    assert page.title == "Backups"


def test_users_without_the_permission_do_not_see_it() -> None:
    execution = an_execution()
    assert a_client("run_backup").get(url(execution)).status_code == 403
    assert a_client("run_backup", name="carol").get(f"{LIST}unknown/change/").status_code == 403


def test_the_number_of_queries_does_not_grow_with_the_history() -> None:
    client, execution, user = a_client(VIEW), an_execution(), a_user(name="carol")
    counts = []
    for number in (1, 30):
        for _ in range(number):
            audit.note(user, execution, "Verified.")
        BackupExecution.objects.update(manifest_json=a_manifest(contents=a_manifest().contents[:number]).to_dict())
        with CaptureQueriesContext(connection) as queries:
            client.get(url(execution))
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 10
    assert page_at(client, url(execution)).action("history")["href"] == url(execution, "history")


def test_an_action_with_a_page_is_a_link_to_it_and_any_other_a_button(admin: Client) -> None:
    page = page_at(admin, url(an_execution()))
    shown = {action.name: page.action(action.name) for action in ACTIONS if action.name in page.actions()}
    tags = {action.name: "a" if action.has_page else "button" for action in ACTIONS if action.name in shown}
    assert {name: element.tag for name, element in shown.items()} == tags
    assert set(tags.values()) == {"a", "button"}
