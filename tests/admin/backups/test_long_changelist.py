"""The lists of backups and restores when there are many of them."""

from datetime import timedelta

import pytest
from django.test import Client

from backups.admin.backups.changelist import BackupAdmin
from backups.admin.shared import changelist as runs
from backups.models import BackupExecution, RestoreExecution
from tests.support.pages.admin_pages import LIST
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client, an_execution

pytestmark = pytest.mark.django_db
RESTORES = "/admin/backups/restoreexecution/"
CAPPED = "At most the newest"


def shown(client: Client, query: str, address: str = LIST) -> list[str]:
    """Return the ids in the list, in its order."""
    return page_at(client, address + query).listed_runs()


def history(count: int, **fields: object) -> list[str]:
    """Make so many backups, one an hour, and return their ids, the newest first."""
    return [an_execution(age=timedelta(hours=hours), **fields).pk for hours in range(1, count + 1)]


@pytest.mark.parametrize("order", ["", "&o=1", "&o=-1", "&o=5", "&o=-5", "&o=6", "&o=-6"])
def test_every_row_is_on_one_page_in_the_order_of_the_list(order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BackupAdmin, "list_per_page", 4)
    client = a_client(VIEW)
    for number in range(11):
        size = number * 7 % 11 or None
        an_execution(f"shop{number % 3}", age=timedelta(hours=number), compressed_size_bytes=size)
    pages = [shown(client, f"?p={page}{order}") for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [4, 4, 3]
    listed = [pk for page in pages for pk in page]
    monkeypatch.setattr(BackupAdmin, "list_per_page", 100)
    assert listed == shown(client, f"?{order}")
    assert set(listed) == set(BackupExecution.objects.values_list("pk", flat=True))


def test_a_page_behind_the_end_leads_back_to_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BackupAdmin, "list_per_page", 2)
    history(3)
    assert a_client(VIEW).get(f"{LIST}?p=9").url == f"{LIST}?e=1"


def test_the_filter_offers_every_instance_that_has_a_run_and_no_other() -> None:
    client = a_client(VIEW, "view_restoreexecution")
    for name in ("shop", "gone-long-ago", "shop", "Wiki"):
        RestoreExecution.objects.create(instance=f"{name}-2", execution=an_execution(name), archive_sha256="a" * 64)
    assert page_at(client, LIST).filter_links("instance") == {"shop", "gone-long-ago", "Wiki"}
    assert page_at(client, RESTORES).filter_links("instance") == {"shop-2", "gone-long-ago-2", "Wiki-2"}


def test_the_filter_offers_nothing_where_there_is_no_run() -> None:
    assert page_at(a_client(VIEW), LIST).filter_links("instance") == set()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three are listed, four rows are recent, up to five matches are rare."""
    monkeypatch.setattr(runs, "RECENT", 4)
    monkeypatch.setattr(runs, "RARE", 5)
    for module in (runs, runs):
        monkeypatch.setattr(module, "MOST_LISTED", 3)


def test_a_search_lists_the_newest_that_match_and_says_that_there_may_be_more(small: None) -> None:
    ids = history(10, comment="before the upgrade")
    assert shown(a_client(VIEW), "?q=upgrade") == ids[:3]
    page = page_at(a_client(VIEW, name="carol"), f"{LIST}?q=upgrade")
    assert page.message("warning").startswith(f"{CAPPED} 3 ")
    assert page.one(class_="paginator").text.startswith("3 backups")


@pytest.mark.parametrize("matches", [2, 4, 8], ids=["few", "rare", "often"])
def test_a_search_finds_what_matches_only_far_in_the_past(small: None, matches: int) -> None:
    recent = history(6)
    old = [an_execution(comment="before the upgrade", age=timedelta(days=400 + number)).pk for number in range(matches)]
    client = a_client(VIEW)
    assert shown(client, "?q=UPGRADE") == old[:3]
    assert page_at(client, f"{LIST}?q=upgrade").messages() == (["warning"] if matches > 2 else [])
    assert shown(client, f"?q={recent[5]}") == [recent[5]]
    assert shown(client, "?q=nothing-like-it") == []


def test_a_filter_reaches_the_older_matches_of_a_search(small: None) -> None:
    history(8, comment="before the upgrade")
    old = an_execution(comment="before the upgrade", age=timedelta(days=800))
    client = a_client(VIEW)
    assert old.pk not in shown(client, "?q=upgrade")
    assert shown(client, f"?q=upgrade&created_at__year={old.created_at.year}") == [old.pk]


def test_what_is_selected_across_pages_of_a_search_is_what_it_lists(
    small: None, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BackupAdmin, "list_per_page", 2)
    for number in range(6):
        an_execution(f"wiki{number}", comment="before the upgrade", age=timedelta(hours=number + 1))
    selected = {"action": "back_up_again", "_selected_action": ["x"], "select_across": "1"}
    page = page_at(admin, f"{LIST}?q=upgrade", selected)
    refused = page.message_texts("error")
    assert len(refused) == 3
    assert all(f" wiki{number} " in message for number, message in enumerate(refused))


def test_restores_are_found_by_the_name_of_their_archive() -> None:
    wanted = an_execution("wiki")
    rows = [
        RestoreExecution.objects.create(instance="shop", execution=backup, archive_sha256="a" * 64)
        for backup in (wanted, an_execution("mail"))
    ]
    rows.append(RestoreExecution.objects.create(instance="shop", archive_file="/srv/old.tar.gz", archive_sha256="a"))
    client = a_client(VIEW, "view_restoreexecution")
    assert shown(client, f"?q={wanted.backup_filename}", RESTORES) == [rows[0].pk]
    assert shown(client, "?q=old.tar", RESTORES) == [rows[2].pk]
    assert len(shown(client, "?q=shop", RESTORES)) == 3
