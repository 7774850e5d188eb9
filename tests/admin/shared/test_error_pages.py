"""The pages of errors: in the layout of the site, with a way back, and without the database where it failed."""

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from tests.support.pages.admin_pages import LIST, url
from tests.support.pages.parsed import Page
from tests.support.rows import VIEW, a_client, a_user, an_execution

pytestmark = pytest.mark.django_db


def in_the_layout(response: object, status: int) -> Page:
    assert getattr(response, "status_code", None) == status
    page = Page(response.content.decode())  # type: ignore[attr-defined]
    assert page.one(id="site-name").links() == ["/admin/"]
    assert page.action("home")["href"] == "/admin/"
    return page


def test_what_is_not_there_or_not_permitted_has_the_layout_and_a_way_back() -> None:
    client, before = a_client(VIEW), f"http://testserver{LIST}"
    missing = client.get("/admin/backups/instances/nowhere/", headers={"Referer": before})
    assert in_the_layout(missing, 404).action("back")["href"] == before
    refused = client.post(url(an_execution(), "again"), headers={"Referer": before})
    page = in_the_layout(refused, 403)
    assert page.action("back")["href"] == before
    assert "bob" in page.field("text").text


def test_a_way_back_leads_to_this_site_only() -> None:
    response = a_client(VIEW).get("/admin/backups/instances/nowhere/", headers={"Referer": "https://example.org/"})
    assert in_the_layout(response, 404).actions() == {"home"}


def test_who_is_not_signed_in_gets_the_same_pages() -> None:
    in_the_layout(Client().get("/nowhere/"), 404)


def test_a_form_without_a_token_says_what_to_do() -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(a_user(VIEW, "run_backup"))
    page = in_the_layout(strict.post(url(an_execution(), "again")), 403)
    assert "load that page again" in page.field("text").text


def test_a_malformed_request_has_a_page_too(admin: Client) -> None:
    in_the_layout(admin.get("/admin/backups/instances/a%00b/"), 400)
    in_the_layout(admin.get("/admin/", headers={"Host": "elsewhere.example"}), 400)


def test_the_page_of_a_crash_needs_no_database(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    address = reverse("admin:backups_keys")

    def fail(*_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(connection, "cursor", fail)
    admin.raise_request_exception = False
    in_the_layout(admin.get(address), 500)
