"""An instance that is no longer in the instances file keeps its row on the front page."""

from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from tests.support.pages.front_page import INDEX, banner, good_of, row
from tests.support.pages.parsed import page_at
from tests.support.pages.schedule_pages import a_schedule
from tests.support.protected import a_protected_backup
from tests.support.rows import VIEW, a_client, an_execution

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("worker", "scheduled")]


@pytest.fixture(autouse=True)
def gone(instances: dict[str, Any]) -> None:
    """The wiki was taken out of the file; the shop is safe."""
    a_protected_backup("shop")
    del instances["wiki"]


def test_with_backups_it_keeps_a_neutral_row_that_starts_nothing() -> None:
    backup = an_execution("wiki")
    client = a_client(VIEW, "run_backup")
    wiki = row(client, "wiki")
    assert (wiki.status, good_of(wiki)) == ("undescribed", backup.pk)
    assert [button["value"] for button in page_at(client, INDEX).all(data_action="start")] == ["shop"]
    assert banner(client) == ("good", "The instance is protected.")


def test_with_a_schedule_it_needs_attention() -> None:
    a_schedule("weekly-wiki", instance="wiki")
    client = a_client(VIEW)
    severity, text = banner(client)
    assert severity == "bad"
    assert text.startswith("1 of 2 instances is unprotected. wiki is not in the instances file")
    assert row(client, "wiki").status == "unprotected"
    # its page opens too
    assert "instances" in page_at(client, reverse("admin:backups_instance", args=["wiki"])).notices()


def test_without_anything_stored_it_has_none() -> None:
    an_execution("wiki", deleted_at=timezone.now())
    a_schedule("paused-wiki", instance="wiki", enabled=False)
    assert page_at(a_client(VIEW), INDEX).section("instances").rows() == ["shop"]
