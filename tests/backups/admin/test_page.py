"""The page of one execution."""

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backups.models import BackupExecution
from backups.runs import audit
from tests.backups.admin.pages import LIST, buttons, raw, text, url
from tests.backups.factories import VIEW, Status, a_client, a_manifest, a_user, an_execution

pytestmark = pytest.mark.django_db


def test_it_tells_everything_about_a_completed_one() -> None:
    execution = an_execution(comment="before the upgrade", age=timedelta(minutes=5))
    page = text(a_client(VIEW), url(execution))
    assert "Backup of shop Completed" in page
    for fact in (
        "Kind Manual, by alice",
        "Comment before the upgrade",
        f"Started {execution.started_at:%Y-%m-%d %H:%M:%S} UTC (5 min ago)",
        "UTC, after 3.0 s",
        f"Archive {execution.backup_filename}",
        f"Path shop/manual/{execution.backup_filename}",
        f"SHA-256 {execution.archive_sha256}",
        "Size 1.0 MB, 50% of 2.0 MB in 2 files",
        "Format gzip, not encrypted",
        "Verified not yet",
        f"Id {execution.pk}",
    ):
        assert fact in page


def test_the_components_are_a_table_with_records_sizes_and_checksums() -> None:
    client, execution = a_client(VIEW), an_execution()
    page = text(client, url(execution))
    assert f"orders orders.db database 1,234 orders 1,200 customers 34 8.2 kB {'a' * 64}" in page
    assert f"uploads uploads.tar data - 2.0 MB {'b' * 64}" in page
    assert "thumbnails not in this backup: /srv/shop/thumbnails does not exist." in page
    assert f'<code class="bs-hash" title="{"a" * 64}">{"a" * 64}</code>' in raw(client, url(execution))


def test_the_timeline_shows_when_each_stage_began_and_how_long_it_took() -> None:
    began = timezone.now() - timedelta(minutes=1)
    stages = [("preparing", 0), ("exporting", 1), ("packing", 3), ("completed", 10)]
    execution = an_execution(
        created_at=began - timedelta(seconds=4),
        started_at=began,
        completed_at=began + timedelta(seconds=10),
        timeline=[[name, (began + timedelta(seconds=offset)).isoformat()] for name, offset in stages],
    )
    page = re.sub(r"\d\d:\d\d:\d\d", "@", text(a_client(VIEW), url(execution)).partition("Took ")[2])
    assert page.startswith("Waiting @ 4.0 s Preparing @ 1.0 s Exporting @ 2.0 s Checking Packing @ 7.0 s Uploading ")
    assert "Recording Completed @ 10 s" in page


def test_a_failed_one_says_what_to_do_and_where_it_stopped() -> None:
    execution = an_execution(status=Status.FAILED, error_message="the disk is full", error_hint="free space")
    client = a_client(VIEW)
    page = raw(client, url(execution))
    assert "The disk is full" not in page
    assert re.search(r'role="alert"><strong>the disk is full\.</strong><br>What to do: free space\.', page)
    assert 'data-step="preparing" data-state="broken"' in page
    assert 'data-step="packing" data-state="skipped"' in page
    assert "Components" not in page


def test_warnings_pins_deletions_and_losses_are_told() -> None:
    now = timezone.now()
    execution = an_execution(
        warnings=["uploads grew while it was read"],
        pinned=True,
        pin_reason="audit",
        deleted_reason="old",
        deleted_at=now,
    )
    page = text(a_client(VIEW), url(execution))
    assert "1 warning uploads grew while it was read" in page
    assert "Pinned never deleted: audit" in page
    assert "UTC: old" in page
    lost = an_execution(missing_at=now, verified_at=now)
    page = text(a_client(VIEW, name="carol"), url(lost))
    assert "Missing not at the destination since" in page
    assert "(just now)" in page


def test_an_active_one_refreshes_itself() -> None:
    execution = an_execution(status=Status.RUNNING, heartbeat_at=timezone.now())
    page = raw(a_client(VIEW), url(execution))
    assert f'data-live="{execution.pk}" data-status-url="{LIST}status/"' in page
    assert '<script src="/static/backups/live.js" defer></script>' in page
    assert "data-live" not in raw(a_client(VIEW, name="carol"), url(an_execution()))


def test_what_users_typed_is_escaped() -> None:
    evil = "<script>alert(1)</script>"
    execution = an_execution(
        status=Status.FAILED, comment=evil, triggered_by=evil, error_message=evil, error_hint=evil, warnings=[evil]
    )
    page = raw(a_client(VIEW), url(execution))
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 5


def test_a_manifest_that_cannot_be_read_is_an_error_on_the_page() -> None:
    manifest = a_manifest().to_dict() | {"total_size_bytes": 1}
    page = text(a_client(VIEW), url(an_execution(manifest_json=manifest)))
    assert "The manifest says 1 bytes in all, but its entries add up to" in page
    assert "Facts" in page


def test_the_history_says_who_did_what() -> None:
    execution = an_execution()
    audit.note(a_user(name="carol"), execution, "Downloaded it.")
    assert re.search(r"History When Who What \S+ \S+ UTC carol Downloaded it\.", text(a_client(VIEW), url(execution)))
    assert "carol" in text(a_client(VIEW, name="dave"), url(execution, "history"))
    assert LogEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("permissions", "labels"),
    [
        ((), set()),
        (("run_backup",), {"Verify", "Drill", "Back up again"}),
        (("download_backup",), {"Download"}),
        (("delete_backup",), {"Delete archive…"}),
        (("restore_backup",), {"Restore…"}),
        (
            ("run_backup", "download_backup", "delete_backup"),
            {"Verify", "Drill", "Back up again", "Download", "Delete archive…"},
        ),
    ],
)
def test_buttons_are_those_that_the_user_may_press(permissions: tuple[str, ...], labels: set[str]) -> None:
    assert buttons(raw(a_client(VIEW, *permissions), url(an_execution()))) == labels


@pytest.mark.parametrize(
    ("fields", "labels"),
    [
        ({"status": Status.QUEUED}, {"Cancel"}),
        ({"status": Status.RUNNING}, {"Cancel"}),
        ({"status": Status.RUNNING, "cancel_requested_at": timezone.now()}, set()),
        ({"status": Status.FAILED}, {"Back up again"}),
        ({"deleted_at": timezone.now()}, {"Back up again"}),
        ({"missing_at": timezone.now()}, {"Back up again"}),
        ({"pinned": True}, {"Back up again", "Verify", "Drill", "Restore…", "Download", "Unpin"}),
    ],
)
def test_buttons_fit_the_state(admin: Client, fields: dict[str, object], labels: set[str]) -> None:
    assert buttons(raw(admin, url(an_execution(**fields)))) == labels


def test_an_unknown_id_leads_to_the_list_and_says_so() -> None:
    page = text(a_client(VIEW), f"{LIST}no-such-id/change/")
    assert "There is no backup with the id “no-such-id”." in page


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
    assert counts[0] == counts[1] <= 8
    assert "The whole history" in text(client, url(execution))
