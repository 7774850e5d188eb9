"""Missing archives on the front page and on the page of their instance."""

import pytest
from django.utils import timezone

from tests.support.pages.admin_pages import LIST
from tests.support.pages.parsed import page_at
from tests.support.protected import a_protected_backup
from tests.support.rows import VIEW, a_client, an_execution

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("worker")]
INSTANCE = "/admin/backups/instances/shop/"


def test_a_missing_archive_turns_the_banner_amber_and_leads_to_the_list() -> None:
    a_protected_backup()
    a_protected_backup("wiki")
    lost = an_execution(missing_at=timezone.now())
    client = a_client(VIEW)
    page = page_at(client, "/admin/")
    banner = page.field("banner")
    assert (banner.status, "1 archive of shop is missing" in banner.text) == ("warning", True)
    link = page.section("instances").row("shop").one(data_flag="missing")
    assert (link.status, link.value) == ("late", "1")
    assert page_at(client, link["href"]).listed_runs() == [lost.pk]
    assert page.notice("missing")["data-about"] == "shop"


def test_a_deleted_archive_is_no_reason_for_a_warning() -> None:
    an_execution()
    an_execution(deleted_at=timezone.now(), deleted_by="alice", deleted_reason="old")
    page = page_at(a_client(VIEW), "/admin/")
    assert "missing" not in page.notices()
    assert not page.section("instances").row("shop").all(data_flag="missing")


def test_archives_of_an_instance_that_is_not_described_any_more_are_named_too() -> None:
    a_protected_backup()
    a_protected_backup("wiki")
    an_execution("gone", missing_at=timezone.now())
    page = page_at(a_client(VIEW), "/admin/")
    assert page.notice("missing")["data-about"] == "gone"
    assert "1 archive of gone went missing" in page.field("banner").text


def test_the_page_of_an_instance_says_how_many_restore_points_there_are() -> None:
    rows = [an_execution(), an_execution(), an_execution(missing_at=timezone.now())]
    oldest = min(row.created_at for row in rows[:2])
    page = page_at(a_client(VIEW), INSTANCE)
    section = page.section("backups")
    assert section.field("restore_points").value == "2"
    assert section.field("oldest").value == oldest.isoformat()
    assert section.field("missing").value == "1"
    assert section.field("restore_points")["href"].startswith(f"{LIST}?instance=shop")
