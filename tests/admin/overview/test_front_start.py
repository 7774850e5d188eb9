"""The button of the front page that starts a backup."""

import pytest
from django.test import Client

from backups.models import BackupExecution
from destinations.models import BackupDestination
from tests.support.pages.admin_pages import START
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client, a_copy, a_destination, an_execution

pytestmark = pytest.mark.django_db
INDEX = "/admin/"


def start_with(client: Client, instance: str) -> BackupExecution:
    """Send the one form of the page as the button of `instance` does."""
    page = page_at(client, INDEX)
    (button,) = page.all("button", name="instance", value=instance)
    form = page.one("form", id=button["form"], method="post")
    selects = form.all("select", name="destination")
    chosen = selects[0].one("option", selected="*") if selects else form.one("input", name="destination")
    client.post(form["action"], {"instance": instance, "destination": chosen["value"]})
    return BackupExecution.objects.filter(instance=instance).latest("created_at")


def test_the_button_starts_a_backup_to_where_the_last_one_went() -> None:
    nas, offsite, unused = (a_destination(name) for name in ("nas", "offsite", "unused"))
    a_copy(an_execution("shop", destination=offsite), nas)
    client = a_client(VIEW, "run_backup")
    page = page_at(client, INDEX)
    assert page.content.actions() == {"start"}
    assert [form["action"] for form in page.content.all("form", method="post")] == [START]
    backup = start_with(client, "shop")
    assert (backup.status, backup.destination) == ("queued", offsite)
    assert [copy.destination for copy in backup.copies.all()] == [offsite, nas]
    assert unused.name in page.options("destination")


def test_where_no_backup_went_yet_or_the_destination_is_disabled_the_form_asks() -> None:
    old = a_destination("old")
    for name in ("nas", "offsite"):
        a_destination(name)
    an_execution("shop", destination=old)
    BackupDestination.objects.filter(pk=old.pk).update(enabled=False)
    client = a_client(VIEW, "run_backup")
    for name in ("shop", "wiki"):
        page = page_at(client, START, {"instance": name, "destination": "as-before"}, status=400)
        assert "destination" in page.faults()
        assert page.chosen("instance") == [name]
    assert BackupExecution.objects.filter(status="queued").count() == 0


def test_the_only_destination_needs_no_choice_and_one_click_starts() -> None:
    destination = a_destination()
    client = a_client(VIEW, "run_backup")
    assert page_at(client, INDEX).section("list").all("select") == []
    assert start_with(client, "shop").destination == destination


def test_without_a_destination_the_page_asks_for_one_and_has_no_button(admin: Client) -> None:
    a_destination(enabled=False)
    page = page_at(admin, INDEX)
    asked = page.notice("no-destination")
    assert asked.action("no-destination")["href"] == "/admin/destinations/backupdestination/add/"
    assert START not in page.html
