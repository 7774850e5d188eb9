"""Forms and refusals: where the page opens, what it offers, and what it says before anything is lost."""

from datetime import timedelta

import pytest
from django.test import Client

from backups.models import BackupExecution
from tests.support.pages.admin_pages import LIST, START, url
from tests.support.pages.parsed import page_at
from tests.support.pages.restore_pages import a_restore, confirmed, page_of
from tests.support.rows import a_destination, an_execution

pytestmark = pytest.mark.django_db


def test_a_wrong_name_opens_the_page_at_its_error(admin: Client) -> None:
    for action in ("delete_archive", "restore"):
        backup = an_execution()
        typed = confirmed(backup, accept_unsigned="on") | {"confirm": "other"}
        page = page_at(admin, url(backup, action), typed, status=400)
        assert [found.get("name") for found in page.all("input", autofocus="*")] == ["confirm"], action
        field = page.one("input", name="confirm")
        assert field["aria-invalid"] == "true"
        assert page.one(id="id_confirm_error").all(data_fault="confirm")


def test_of_several_errors_the_first_has_the_focus(admin: Client) -> None:
    a_destination()
    page = page_at(admin, START, {"instance": "nowhere", "destination": ""}, status=400)
    assert [found.get("name") for found in page.all(autofocus="*")] == ["instance"]


def test_a_restore_that_was_undone_is_not_offered_as_a_good_one(admin: Client) -> None:
    restore = a_restore("shop")
    assert "acknowledge" in page_at(admin, page_of(restore)).actions()
    undo = a_restore("shop", undo_of=restore)
    assert "acknowledge" not in page_at(admin, page_of(restore)).actions()
    assert "acknowledge" in page_at(admin, page_of(undo)).actions()


def test_a_page_that_cannot_be_opened_is_no_failed_restore(admin: Client) -> None:
    text = page_at(admin, url(an_execution("gone"), "restore")).message("error")
    assert "failed" not in text
    assert "gone" in text


def test_a_pinned_archive_has_no_page_to_delete_it(admin: Client) -> None:
    backup = an_execution(pinned=True, pin_reason="audit")
    page = page_at(admin, url(backup, "delete_archive"))
    assert page.title == f"Backup of {backup.instance}"
    assert "audit" in page.message("error")


def test_the_page_of_a_deletion_counts_all_archives_that_stay(admin: Client) -> None:
    for number in range(25):
        an_execution("shop", age=timedelta(hours=number))
    backup = BackupExecution.objects.earliest("created_at")
    page = page_at(admin, url(backup, "delete_archive"))
    assert page.section("others").rows() and len(page.section("others").rows()) == 20
    assert page.field("others").value == "24"


def test_a_list_that_shows_everything_offers_nothing_more(admin: Client) -> None:
    an_execution("shop")
    assert "Show all" not in page_at(admin, LIST).html
    assert "Show all" in page_at(admin, f"{LIST}?q=shop").html
