"""Access tiers: archives that are old are moved to a cooler one."""

from datetime import timedelta
from typing import Any

import pytest
from azure.storage.blob import ContainerClient

from destinations.exceptions import NotFound
from tests.destinations.backends.azure.conftest import Open
from tests.destinations.conftest import put

PATH = "shop/manual/backup.tar.gz"


def tier(container: ContainerClient, destination: Any) -> str:
    return str(container.get_blob_client(f"{destination.options['location']}/{PATH}").get_blob_properties().blob_tier)


def test_a_file_is_moved_from_hot_to_cool_and_from_no_other_tier(open_azure: Open, container: ContainerClient) -> None:
    destination = open_azure(access_tier="Hot")
    put(destination, PATH, b"x")
    assert tier(container, destination) == "Hot"
    destination.cool(PATH)
    assert tier(container, destination) == "Cool"
    container.get_blob_client(f"{destination.options['location']}/{PATH}").set_standard_blob_tier("Archive")
    destination.cool(PATH)
    assert tier(container, destination) == "Archive"
    with pytest.raises(NotFound):
        destination.cool("shop/manual/other.tar")


@pytest.mark.parametrize(
    ("options", "days"),
    [({}, 90), ({"cool_after_days": 7}, 7), ({"cool_after_days": 0}, 0), ({"access_tier": "Cold"}, 0)],
    ids=str,
)
def test_how_old_an_archive_gets_before_it_is_moved(open_azure: Open, options: dict[str, Any], days: int) -> None:
    assert open_azure(**options).cools_after == (timedelta(days=days) if days else None)
