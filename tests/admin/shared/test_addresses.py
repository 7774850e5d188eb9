"""Addresses that a page makes for its rows are those that Django makes."""

import pytest
from django.urls import reverse, set_script_prefix

from backups.admin.shared.addresses import addresses

INSTANCE = "admin:backups_instance"


@pytest.mark.parametrize(
    "name", ["shop", "ca186111-d40e-436b-887a-faec527e4da3", "Ä b", "50%", "a?b#c", "x'\"<y>", "a.~:@b"]
)
def test_an_address_is_that_of_reverse(name: str) -> None:
    assert addresses(INSTANCE)(name) == reverse(INSTANCE, args=[name])


def test_it_follows_the_path_below_which_the_site_is_served() -> None:
    set_script_prefix("/backup/")
    try:
        assert addresses(INSTANCE)("shop") == "/backup/admin/backups/instances/shop/"
    finally:
        set_script_prefix("/")
