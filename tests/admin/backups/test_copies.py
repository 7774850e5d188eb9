"""The copies of a backup in the pages: asked for in the form, shown in a table, marked in the list."""

import pytest
from django.utils import timezone

from backups.models import BackupExecution
from tests.support.pages.admin_pages import LIST, START, url
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client, a_copy, a_destination, an_execution

pytestmark = pytest.mark.django_db


def test_the_form_backs_up_to_several_destinations() -> None:
    nas, vault = a_destination("nas"), a_destination("vault")
    client = a_client(VIEW, "run_backup")
    client.post(START, {"instance": "shop", "destination": vault.pk, "also_to": [nas.pk, vault.pk]})
    backup = BackupExecution.objects.get()
    assert [copy.destination.name for copy in backup.copies.all()] == ["vault", "nas"]


def test_with_one_destination_the_form_asks_for_no_other() -> None:
    a_destination("nas")
    assert 'name="also_to"' not in page_at(a_client(VIEW, "run_backup"), START).html


def test_a_backup_is_made_again_for_the_same_destinations() -> None:
    backup = an_execution()
    a_copy(backup, a_destination("vault"), state="failed", path="")
    client = a_client(VIEW, "run_backup")
    client.post(url(backup, "again"))
    client.post(LIST, {"action": "back_up_again", "_selected_action": [backup.pk]})
    first = BackupExecution.objects.queued().get()
    assert [copy.destination.name for copy in first.copies.all()] == ["nas", "vault"]


def test_the_page_shows_each_copy_with_its_state_and_error() -> None:
    backup = an_execution(copies_state="missing")
    vault, cellar = a_destination("vault"), a_destination("cellar")
    now = timezone.now()
    a_copy(backup, vault, state="failed", path="", size_bytes=None, error="vault is <gone>.", next_try_at=now)
    a_copy(backup, cellar, damaged_at=now, locked_until=now)
    page = page_at(a_client(VIEW), url(backup))
    rows = {row.attributes["data-row"]: row for row in page.all("tr") if "data-row" in row.attributes}
    assert {name: rows[name].status for name in ("nas", "vault", "cellar")} == {
        "nas": "stored",
        "vault": "failed",
        "cellar": "damaged",
    }
    assert "vault is <gone>." in rows["vault"].field("copy_error").text
    assert rows["vault"].field("copy_next_try_at").value == now.isoformat()
    assert rows["cellar"].field("copy_locked_until").value == now.isoformat()
    assert "lacks-a-copy" in page.notices()


def test_the_list_marks_and_finds_a_backup_that_lacks_a_copy() -> None:
    lacking, whole = an_execution(copies_state="missing"), an_execution(copies_state="all")
    a_copy(lacking, a_destination("vault"), state="failed", path="")
    client = a_client(VIEW)
    page = page_at(client, f"{LIST}?archive=lacks-a-copy")
    assert page.listed_runs() == [lacking.pk]
    assert "a copy is missing" in page.html
    assert "a copy is missing" not in page_at(client, url(whole)).html


def test_the_page_of_a_deletion_names_every_place() -> None:
    backup = an_execution()
    a_copy(backup, a_destination("vault"))
    page = page_at(a_client(VIEW, "delete_backup"), url(backup, "delete_archive"))
    assert page.notice("deletes").fields("destination") == ["nas", "vault"]
