"""The page about coming runs stays light: it shows the first rows of a long list, and how many there are."""

import pytest
from django.test import Client

from backups.admin.overview import coming
from tests.admin.overview.test_coming import MINUTE, PAGE, a_schedule
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(db: None) -> Client:
    return a_client(VIEW)


def test_of_many_groups_the_first_are_shown_and_the_others_counted(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coming, "MOST", 2)
    for number in range(3):
        row = a_schedule("shop", f"shop-{number}", expression=f"{number} * * * *")
        row.next_run += number * MINUTE
        row.save()
    queue = page_at(client, PAGE).section("queue")
    assert queue.rows() == ["backup", "backup"]
    assert "shop-1" in queue.text and "shop-2" not in queue.text
    assert queue.field("more").value == "3"
