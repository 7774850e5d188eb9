"""The preview of retention at a destination, and the button "Prune now"."""

import logging
import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from backups.models import BackupExecution
from backups.service.pin import pin_backup
from destinations.formats import human_size
from destinations.models import BackupDestination
from tests.backups.admin.pages import LIST, buttons, raw, text, url
from tests.backups.factories import VIEW, a_client, a_destination, an_execution
from tests.backups.stored import daily, file_of, there

pytestmark = pytest.mark.django_db


@pytest.fixture
def nas() -> BackupDestination:
    return a_destination("nas", retention_days=7, min_keep=2)


def preview(destination: BackupDestination) -> str:
    return f"{LIST}retention/{destination.pk}/"


def prune(destination: BackupDestination) -> str:
    return f"{LIST}prune/{destination.pk}/"


def some(destination: BackupDestination, days: int = 10) -> list[BackupExecution]:
    return daily(destination, days, "shop", newest=timezone.now() - timedelta(hours=1))


def shown(client: Client, destination: BackupDestination) -> str:
    found = re.search(r'name="shown" value="([0-9a-f]{64})"', raw(client, preview(destination)))
    assert found
    return found[1]


def test_the_preview_lists_every_backup_with_its_reason_and_the_space_reclaimed(nas: BackupDestination) -> None:
    rows = some(nas)
    pin_backup(rows[9], by="tests", reason="audit")
    page = text(a_client(VIEW), preview(nas))
    assert "The rule is simple: 7 days, and at least 2 good backups of each instance." in page
    assert "2 of 10 backups would go, which gives 2.0 kB back." in page
    assert page.count("Kept because it is not older than 7 days") == 7
    assert page.count("Goes because it is older than 7 days") == 2
    assert "9 days ago Manual 1.0 kB Kept because pinned: audit" in page
    assert there(rows) == list(range(10))


def test_the_preview_can_show_only_what_goes(nas: BackupDestination) -> None:
    some(nas)
    page = text(a_client(VIEW), preview(nas) + "?goes=1")
    assert page.count("Goes because") == 3 and "Kept because" not in page
    assert "Show all" in page


def test_many_backups_are_shown_in_pages(nas: BackupDestination, django_assert_max_num_queries: object) -> None:
    for _ in range(201):
        an_execution(destination=nas)
    client = a_client(VIEW)
    first = text(client, preview(nas))
    assert first.count("Kept because") == 200 and "Page 1 of 2" in first
    assert text(client, preview(nas) + "?page=2").count("Kept because") == 1
    assert "Page 2 of 2" in text(client, preview(nas) + "?page=999")


def test_a_destination_without_a_rule_says_that_it_keeps_everything() -> None:
    nas = a_destination("nas")
    some(nas, 2)
    client = a_client(VIEW, "delete_backup")
    page = raw(client, preview(nas))
    assert "This destination keeps everything" in page
    assert not any(label.startswith("Prune") for label in buttons(page))


def test_pressing_prune_now_deletes_what_was_shown(nas: BackupDestination, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "backups")
    rows = some(nas)
    client = a_client(VIEW, "delete_backup")
    assert "Prune now: delete 3" in buttons(raw(client, preview(nas)))
    page = text(client, prune(nas), {"shown": shown(client, nas)})
    freed = human_size(sum(row.compressed_size_bytes or 0 for row in rows[7:]))
    assert f"3 backups were deleted, {freed} are free again." in page
    assert "0 of 7 backups would go" in page
    assert there(rows) == list(range(7))
    notes = [entry.get_change_message() for entry in LogEntry.objects.all()]
    assert len(notes) == 3 and all("goes because it is older than 7 days" in note for note in notes)
    assert "backup.deleted" in caplog.text and "by=bob" in caplog.text


def test_when_other_backups_would_go_by_now_nothing_is_deleted_and_the_page_is_shown_again(
    nas: BackupDestination,
) -> None:
    rows = some(nas)
    client = a_client(VIEW, "delete_backup")
    before = shown(client, nas)
    pin_backup(rows[9], by="tests", reason="audit")
    response = client.post(prune(nas), {"shown": before})
    assert response.status_code == 409
    assert "What would go has changed since this page was shown." in response.content.decode()
    assert client.post(prune(nas)).status_code == 409
    assert there(rows) == list(range(10))


def test_a_deletion_that_fails_is_told_and_the_row_stays(nas: BackupDestination) -> None:
    rows = some(nas)
    file_of(rows[9]).unlink()
    file_of(rows[9]).mkdir()
    client = a_client(VIEW, "delete_backup")
    page = text(client, prune(nas), {"shown": shown(client, nas)})
    assert "2 backups were deleted" in page
    assert f"Not deleted: {rows[9].backup_filename} could not be deleted at nas:" in page
    assert BackupExecution.objects.get(pk=rows[9].pk).deleted_at is None


def test_a_rule_of_the_site_that_cannot_be_meant_is_told(settings: Settings) -> None:
    settings.BACKUP_RETENTION = {"strategy": "sometimes"}
    nas = a_destination("nas")
    some(nas, 1)
    page = text(a_client(VIEW), preview(nas))
    assert "The retention of nas cannot work: The retention strategy 'sometimes' is unknown." in page


def test_looking_needs_the_permission_to_see_backups_and_pruning_to_delete_them(
    nas: BackupDestination, caplog: pytest.LogCaptureFixture
) -> None:
    rows = some(nas)
    viewer = a_client(VIEW, "run_backup", "pin_backup", name="viewer")
    assert not any(label.startswith("Prune") for label in buttons(raw(viewer, preview(nas))))
    assert viewer.post(prune(nas), {"shown": "x"}).status_code == 403
    assert a_client("delete_backup", name="blind").get(preview(nas)).status_code == 403
    assert a_client("delete_backup", name="blinder").post(prune(nas)).status_code == 403
    assert Client().get(preview(nas)).status_code == 302
    assert there(rows) == list(range(10))
    assert "destination.forbidden destination=nas action=prune by=viewer" in caplog.text


def test_following_a_link_or_a_form_of_another_site_prunes_nothing(nas: BackupDestination) -> None:
    rows = some(nas)
    client = a_client(VIEW, "delete_backup")
    response = client.get(prune(nas))
    assert (response.status_code, response["Allow"]) == (405, "POST")
    assert client.post(preview(nas)).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    assert strict.post(prune(nas), {"shown": shown(client, nas)}).status_code == 403
    assert there(rows) == list(range(10))


def test_an_unknown_destination_is_not_found() -> None:
    assert a_client(VIEW).get(f"{LIST}retention/unknown/").status_code == 404


def test_the_page_of_a_destination_leads_to_both_pages(nas: BackupDestination) -> None:
    address = f"/admin/destinations/backupdestination/{nas.pk}/change/"
    page = raw(a_client(VIEW, "import_backup", "view_backupdestination"), address)
    assert f'href="{preview(nas)}"' in page and f'href="{LIST}catalogue/{nas.pk}/"' in page
    page = raw(a_client("view_backupdestination", name="other"), address)
    assert "Retention</a>" not in page and "What is there" not in page


def test_the_executions_named_in_the_preview_are_links(nas: BackupDestination) -> None:
    (row,) = some(nas, 1)
    assert f'href="{url(row)}"' in raw(a_client(VIEW), preview(nas))
