"""A button that is pressed after the session expired: nothing is done, and every page on the way says so."""

import pytest
from django.test import Client
from django.urls import reverse

from backups.models import BackupExecution
from tests.support.pages.admin_pages import url
from tests.support.pages.parsed import Page, page_at
from tests.support.pages.schedule_pages import a_schedule
from tests.support.pages.schedule_pages import url as schedule_url
from tests.support.rows import a_user, an_execution

pytestmark = pytest.mark.django_db
EVERYTHING = (
    "view_backupexecution", "run_backup", "delete_backup", "view_backupschedule", "run_schedule",
    "view_backupdestination", "change_backupdestination", "test_backupdestination",
)  # fmt: skip


def sign_in(client: Client, login: str) -> Page:
    a_user(*EVERYTHING)
    return page_at(client, login, {"username": "bob", "password": "secret"})


def test_a_button_of_a_run_leads_back_to_its_page() -> None:
    backup, client = an_execution(), Client()
    response = client.post(url(backup, "again"), follow=True)
    login, status = response.redirect_chain[-1]
    assert status == 302
    assert Page(response.content.decode()).messages() == ["warning"]
    page = sign_in(client, login)
    assert (page.title, page.messages()) == (f"Backup of {backup.instance}", ["warning"])
    assert BackupExecution.objects.count() == 1


def test_so_do_the_buttons_of_schedules_and_destinations() -> None:
    row, client = a_schedule(), Client()
    a_user(*EVERYTHING)
    client.login(username="bob", password="secret")
    pages = "admin:destinations_backupdestination_{}".format
    for address, back in (
        (schedule_url(row, "run"), schedule_url(row)),
        (reverse(pages("prune"), args=[row.destination_id]), reverse(pages("retention"), args=[row.destination_id])),
        (reverse(pages("test"), args=[row.destination_id]), reverse(pages("change"), args=[row.destination_id])),
    ):
        response = client.get(address)
        assert (response.status_code, response["Location"]) == (302, back)
    assert not BackupExecution.objects.exists()


def test_a_form_that_was_sent_says_so_before_the_sign_in() -> None:
    backup, client = an_execution(), Client()
    response = client.post(url(backup, "delete_archive"), {"confirm": backup.instance}, follow=True)
    assert Page(response.content.decode()).messages() == ["warning"]
    page = sign_in(client, response.redirect_chain[-1][0])
    assert page.action("delete_archive")
    backup.refresh_from_db()
    assert backup.has_archive


def test_signing_out_twice_is_no_lost_action() -> None:
    response = Client().post(reverse("admin:logout"), follow=True)
    assert Page(response.content.decode()).messages() == []
