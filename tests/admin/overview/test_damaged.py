"""A backup without a sound copy on the front page, on that of its instance, in the list and on its own."""

from datetime import timedelta

import pytest
from django.utils import timezone

from backups.service.archives.records.missing import mark_damaged
from tests.support.pages.admin_pages import LIST
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client, an_execution

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("worker")]


def test_pages_and_lists_show_it() -> None:
    an_execution("wiki")
    an_execution(age=timedelta(hours=3))
    backup = an_execution(age=timedelta(hours=1))
    copy = backup.copies.select_related("destination", "execution").get()
    mark_damaged(copy, timezone.now(), "Its SHA-256 differs.")
    client = a_client(VIEW)
    page = page_at(client, "/admin/")
    assert page.row("shop").all(data_reason="archive-damaged")
    assert page.notice("damaged")["data-about"] == "shop"
    assert page_at(client, f"{LIST}?archive=damaged").listed_runs() == [backup.pk]
    assert page_at(client, "/admin/backups/instances/shop/").section("backups").field("damaged").value == "1"
    page = page_at(client, f"{LIST}{backup.pk}/change/")
    assert ("damaged" in page.notices(), "lacks-a-copy" in page.notices()) == (True, False)
    # nothing repairs it without a sound copy
    assert not page.section("copies").all(data_field="copy_next_try_at")
