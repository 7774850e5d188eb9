"""Pages that had another address in earlier versions."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from destinations.models import BackupDestination
from tests.support.pages.admin_pages import LIST
from tests.support.rows import VIEW, a_client, a_destination

pytestmark = pytest.mark.django_db
DESTINATIONS = "/admin/destinations/backupdestination/"
Address = Callable[[BackupDestination], str]
MOVED: dict[str, tuple[Address, Address]] = {
    "instance": (lambda nas: f"{LIST}instance/shop/", lambda nas: "/admin/backups/instances/shop/"),
    "keys": (lambda nas: f"{LIST}keys/", lambda nas: "/admin/backups/keys/"),
    "retention": (lambda nas: f"{LIST}retention/{nas.pk}/", lambda nas: f"{DESTINATIONS}{nas.pk}/retention/"),
    "prune": (lambda nas: f"{LIST}prune/{nas.pk}/", lambda nas: f"{DESTINATIONS}{nas.pk}/retention/"),
    "confirm_rule": (lambda nas: f"{LIST}confirm_rule/{nas.pk}/", lambda nas: f"{DESTINATIONS}{nas.pk}/retention/"),
    "catalogue": (lambda nas: f"{LIST}catalogue/{nas.pk}/", lambda nas: f"{DESTINATIONS}{nas.pk}/catalogue/"),
}


@pytest.mark.parametrize("name", MOVED)
def test_the_old_address_redirects_for_good_and_takes_no_post(name: str) -> None:
    nas = a_destination("nas")
    old, new = (address(nas) for address in MOVED[name])
    client = a_client(VIEW, "import_backup", "delete_backup")
    response = client.get(f"{old}?page=2")
    assert (response.status_code, response["Location"]) == (301, f"{new}?page=2")
    assert client.get(new).status_code == 200
    refused = client.post(old, {"confirm": "nas"})
    assert (refused.status_code, refused["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("name", MOVED)
def test_neither_address_answers_strangers(name: str) -> None:
    for address in MOVED[name]:
        response = Client().get(address(a_destination("nas")))
        assert (response.status_code, response["Location"].partition("?")[0]) == (302, "/admin/login/")


def test_a_name_with_a_space_or_markup_has_an_address() -> None:
    client = a_client(VIEW)
    for name in ("a b", "<i>", "50%"):
        assert client.get(reverse("admin:backups_instance", args=[name])).status_code == 404
