"""The preview of retention at a destination, and the button "Prune now"."""

import logging
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from backups.models import BackupExecution
from backups.service.archives.records.pin import pin_backup
from destinations.lib.formats import human_size
from destinations.models import BackupDestination
from tests.support.archives.stored import daily, file_of, there
from tests.support.pages.admin_pages import url
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client, a_destination, an_execution

pytestmark = pytest.mark.django_db
DESTINATIONS = "/admin/destinations/backupdestination/"


@pytest.fixture
def nas() -> BackupDestination:
    return a_destination("nas", retention_days=7, min_keep=2)


def preview(destination: BackupDestination) -> str:
    return f"{DESTINATIONS}{destination.pk}/retention/"


def prune(destination: BackupDestination) -> str:
    return f"{DESTINATIONS}{destination.pk}/prune/"


def some(destination: BackupDestination, days: int = 10) -> list[BackupExecution]:
    return daily(destination, days, "shop", newest=timezone.now() - timedelta(hours=1))


def shown(client: Client, destination: BackupDestination) -> str:
    """Return the digest of what goes, as the button sends it back."""
    (digest,) = page_at(client, preview(destination)).inputs("shown")
    return digest


def test_the_preview_lists_every_backup_with_its_reason_and_the_space_reclaimed(nas: BackupDestination) -> None:
    rows = some(nas)
    pin_backup(rows[9], by="tests", reason="audit")
    page = page_at(a_client(VIEW), preview(nas))
    size = sum(row.compressed_size_bytes or 0 for row in rows[7:9])
    assert page.section("plan").facts("rule", "min_keep", "goes", "entries", "reclaimed_bytes") == {
        "rule": "simple: 7 days",
        "min_keep": "2",
        "goes": "2",
        "entries": "10",
        "reclaimed_bytes": str(size),
    }
    shown = page.section("entries")
    found = {name: (shown.row(name).status, shown.row(name).field("because").text) for name in shown.rows()}
    kept, goes = ("kept", "it is not older than 7 days"), ("goes", "it is older than 7 days")
    assert [found[row.pk] for row in rows] == [*[kept] * 7, goes, goes, ("kept", "pinned: audit")]
    oldest = shown.row(rows[9].pk)
    assert oldest.field("taken_at").text.endswith("(9 days ago)")
    assert oldest.facts("kind", "compressed_size_bytes") == {
        "kind": "manual",
        "compressed_size_bytes": str(rows[9].compressed_size_bytes),
    }
    assert there(rows) == list(range(10))


def test_the_preview_can_show_only_what_goes(nas: BackupDestination) -> None:
    rows = some(nas)
    page = page_at(a_client(VIEW), preview(nas) + "?goes=1")
    shown = page.section("entries")
    assert set(shown.rows()) == {row.pk for row in rows[7:]}
    assert {shown.row(name).status for name in shown.rows()} == {"goes"}
    assert page.actions() == {"show-all"}


def test_many_backups_are_shown_in_pages(nas: BackupDestination, django_assert_max_num_queries: object) -> None:
    for _ in range(201):
        an_execution(destination=nas)
    client = a_client(VIEW)
    pages = [page_at(client, preview(nas) + query) for query in ("", "?page=2", "?page=999")]
    assert [page.facts("page", "pages") for page in pages] == [
        {"page": number, "pages": "2"} for number in ("1", "2", "2")
    ]
    listed = [page.section("entries").rows() for page in pages]
    assert [len(rows) for rows in listed] == [200, 1, 1]
    assert len({*listed[0], *listed[1]}) == 201


def test_a_destination_without_a_rule_says_that_it_keeps_everything() -> None:
    nas = a_destination("nas")
    some(nas, 2)
    client = a_client(VIEW, "delete_backup")
    page = page_at(client, preview(nas))
    assert page.section("plan").status == "none"
    assert page.actions() == set()


def test_pressing_prune_now_deletes_what_was_shown(nas: BackupDestination, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "backups")
    rows = some(nas)
    client = a_client(VIEW, "delete_backup")
    assert page_at(client, preview(nas)).action("prune").value == "3"
    page = page_at(client, prune(nas), {"shown": shown(client, nas)})
    freed = human_size(sum(row.compressed_size_bytes or 0 for row in rows[7:]))
    assert f"3 backups were deleted, {freed} " in page.message("success")
    assert page.facts("goes", "entries") == {"goes": "0", "entries": "7"}
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
    page = page_at(client, prune(nas), {"shown": before}, status=409)
    assert page.messages() == ["error"]
    assert page.field("goes").value == "2"
    assert client.post(prune(nas)).status_code == 409
    assert there(rows) == list(range(10))


def test_a_deletion_that_fails_is_shown_and_the_row_stays(nas: BackupDestination) -> None:
    rows = some(nas)
    file_of(rows[9]).unlink()
    file_of(rows[9]).mkdir()
    client = a_client(VIEW, "delete_backup")
    page = page_at(client, prune(nas), {"shown": shown(client, nas)})
    assert page.messages() == ["success", "error"]
    assert page.message("success").startswith("2 backups were deleted")
    assert rows[9].backup_filename in page.message("error")
    assert BackupExecution.objects.get(pk=rows[9].pk).deleted_at is None


def test_a_rule_of_the_site_with_errors_is_shown(settings: Settings) -> None:
    settings.BACKUP_RETENTION = {"strategy": "sometimes"}
    nas = a_destination("nas")
    some(nas, 1)
    page = page_at(a_client(VIEW), preview(nas))
    assert "The retention of nas cannot work: The retention strategy 'sometimes'" in page.message("error")


def test_looking_needs_the_permission_to_see_backups_and_pruning_to_delete_them(
    nas: BackupDestination, caplog: pytest.LogCaptureFixture
) -> None:
    rows = some(nas)
    viewer = a_client(VIEW, "run_backup", "pin_backup", name="viewer")
    assert "prune" not in page_at(viewer, preview(nas)).actions()
    assert viewer.post(prune(nas), {"shown": "x"}).status_code == 403
    assert a_client("delete_backup", name="blind").get(preview(nas)).status_code == 403
    assert a_client("delete_backup", name="blinder").post(prune(nas)).status_code == 403
    assert Client().get(preview(nas)).status_code == 302
    assert there(rows) == list(range(10))
    assert "destination.forbidden destination=nas action=prune by=viewer" in caplog.text


def test_following_a_link_or_a_form_of_another_site_prunes_nothing(nas: BackupDestination) -> None:
    rows = some(nas)
    client = a_client(VIEW, "delete_backup")
    assert page_at(client, prune(nas)).messages() == ["warning"]
    assert client.put(prune(nas)).status_code == 405
    assert client.post(preview(nas)).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    assert strict.post(prune(nas), {"shown": shown(client, nas)}).status_code == 403
    assert there(rows) == list(range(10))


def test_an_unknown_destination_is_not_found() -> None:
    assert a_client(VIEW).get(f"{DESTINATIONS}unknown/retention/").status_code == 404


def test_the_page_of_a_destination_leads_to_both_pages(nas: BackupDestination) -> None:
    address = f"{DESTINATIONS}{nas.pk}/change/"
    page = page_at(a_client(VIEW, "import_backup", "view_backupdestination"), address)
    assert page.action("retention")["href"] == preview(nas)
    assert page.action("catalogue")["href"] == f"{DESTINATIONS}{nas.pk}/catalogue/"
    other = page_at(a_client("view_backupdestination", name="other"), address)
    assert not {"retention", "catalogue"} & other.actions()


def test_the_backups_in_the_preview_are_links(nas: BackupDestination) -> None:
    (row,) = some(nas, 1)
    assert page_at(a_client(VIEW), preview(nas)).row(row.pk).field("instance").links() == [url(row)]
