"""What every page has in common."""

import re
from collections.abc import Callable

import pytest
from django.apps import apps
from django.contrib import admin as django_admin
from django.test import Client
from django.utils import timezone

from backupsite.site import BackupAdminSite
from tests.support.pages.admin_pages import LIST, START, url
from tests.support.pages.parsed import Page, page_at
from tests.support.rows import VIEW, Status, a_client, a_destination, an_execution

pytestmark = pytest.mark.django_db
INLINE = re.compile(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|javascript:", re.IGNORECASE)


def _change(name: str) -> Callable[[], str]:
    return lambda: url(an_execution(), name)


PAGES: dict[str, Callable[[], str]] = {
    "index": lambda: "/admin/",
    "list": lambda: LIST,
    "start": lambda: START,
    "completed": _change("change"),
    "running": lambda: url(an_execution(status=Status.RUNNING, heartbeat_at=timezone.now())),
    "delete": _change("delete_archive"),
    "pin": _change("pin"),
    "history": _change("history"),
    "instance": lambda: "/admin/backups/instances/shop/",
    "keys": lambda: "/admin/backups/keys/",
    "coming": lambda: "/admin/backups/coming/",
    "retention": lambda: f"/admin/destinations/backupdestination/{a_destination().pk}/retention/",
    "catalogue": lambda: f"/admin/destinations/backupdestination/{a_destination().pk}/catalogue/",
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_the_policy_and_nothing_that_breaks_it(admin: Client, name: str) -> None:
    an_execution(status=Status.FAILED, error_message="x", warnings=["y"])
    response = admin.get(PAGES[name]())
    assert response.status_code == 200
    assert "script-src 'self'; style-src 'self'" in response.headers["Content-Security-Policy"]
    page = Page(response.content.decode())
    assert INLINE.findall(page.html) == []
    addresses = {element.get(name) for element in page for name in ("src", "href", "action", "xlink:href")}
    assert {address[0] for address in addresses if address} <= {"/", "?", "#"}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_not_shown_to_strangers(name: str) -> None:
    response = Client().get(PAGES[name]())
    assert (response.status_code, response["Location"].partition("?")[0]) == (302, "/admin/login/")


def test_the_site_is_ours_and_shows_nothing_of_the_queue(admin: Client) -> None:
    assert isinstance(django_admin.site._wrapped, BackupAdminSite)
    for model in apps.get_app_config("django_q").get_models():
        assert not django_admin.site.is_registered(model)
        assert admin.get(f"/admin/django_q/{model._meta.model_name}/").status_code == 404
    assert "django_q" not in page_at(admin, "/admin/").html


def test_the_navigation_leads_to_what_the_user_may_see(admin: Client) -> None:
    navigation = page_at(admin, LIST).one("nav", id="site-nav")
    assert navigation.one("a", aria_current="page")["href"] == LIST
    assert "/admin/destinations/backupdestination/" in navigation.links()
    assert "/admin/destinations/" not in page_at(a_client(VIEW), LIST).html
