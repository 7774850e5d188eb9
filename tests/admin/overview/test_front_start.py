"""The button of the front page that starts a backup."""

import pytest
from django.test import Client

from backups.models import BackupExecution
from tests.support.pages.admin_pages import START
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client, a_destination, an_execution

pytestmark = pytest.mark.django_db
INDEX = "/admin/"


def test_the_button_starts_a_backup_to_where_the_last_one_went() -> None:
    a_destination("nas")
    offsite = a_destination("offsite")
    an_execution("shop", destination=offsite)
    page = page_at(a_client(VIEW, "run_backup"), INDEX)
    assert page.content.actions() == {"start"}
    forms = page.all("form", action=START, method="post")
    assert [form.one("input", name="instance")["value"] for form in forms] == ["shop", "wiki"]
    (chosen,) = page.all("option", selected="*")
    assert (chosen["value"], chosen in list(forms[0])) == (str(offsite.pk), True)


def test_the_only_destination_needs_no_choice_and_one_click_starts() -> None:
    destination = a_destination()
    client = a_client(VIEW, "run_backup")
    shop = page_at(client, INDEX).row("shop")
    assert shop.all("select") == []
    assert shop.one("input", name="destination")["value"] == str(destination.pk)
    client.post(START, {"instance": "shop", "destination": destination.pk})
    assert BackupExecution.objects.get().instance == "shop"


def test_without_a_destination_the_page_asks_for_one_and_has_no_button(admin: Client) -> None:
    a_destination(enabled=False)
    page = page_at(admin, INDEX)
    asked = page.notice("no-destination")
    assert asked.action("add-destination")["href"] == "/admin/destinations/backupdestination/add/"
    assert START not in page.html
