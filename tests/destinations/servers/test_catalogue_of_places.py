"""A site that lost its database gets its catalogue back from a destination, and its pages know the archives."""

from pathlib import Path

import pytest
from django.urls import reverse

from backups.models import BackupCopy, BackupExecution, DrillExecution, TreeList
from backups.service.backup.run import backup_now
from destinations.models import BackupDestination
from tests.destinations.contract.places import PLACES, Place
from tests.support.call_commands import command
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client

pytestmark = pytest.mark.django_db
# every other type gives the same, over what the contract holds of all of them
TYPES = ("local", "s3")


@pytest.fixture
def backup_root(home: Path) -> Path:
    return home / "backups"


@pytest.fixture
def place(request: pytest.FixtureRequest, backup_root: Path) -> Place:
    return PLACES[request.param](request)


def lose_the_database() -> None:
    for model in (DrillExecution, TreeList, BackupCopy, BackupExecution, BackupDestination):
        model._base_manager.all().delete()


@pytest.mark.parametrize("place", TYPES, indirect=True)
def test_an_empty_catalogue_is_rebuilt_and_its_backup_checked_and_printed(
    place: Place, shop: Path, identity: Path
) -> None:
    row = BackupDestination(name="away", type=place.type, encryption="required")
    row.configure(place.options())
    row.save()
    made = backup_now("shop", row, by="tests")
    lose_the_database()

    options = [f"--option={key}={value}" for key, value in place.options().items()]
    added = command("adddestination", "away", "--type", place.type, "--encryption", "required", *options)
    assert added.code == 0, added.err
    found = command("importbackups", "away", "--json").data
    assert [item["path"] for item in found["adopted"]] == [made.backup_path]
    backup = BackupExecution.objects.get()
    assert (backup.archive_sha256, backup.encryption, backup.instance) == (made.archive_sha256, "age", "shop")

    assert [one["verdict"] for one in command("checkkeys", "--json").data] == ["opens"]
    kit = command("recoverykit", "shop").out
    assert made.backup_filename in kit and "away" in kit
    destination = BackupDestination.objects.get()
    client = a_client(VIEW, "import_backup", "view_backupdestination")
    page = page_at(client, reverse("admin:destinations_backupdestination_catalogue", args=[destination.pk]))
    assert page.one(data_field="present")["data-value"] == "1"
    assert command("checkdestination", "away", "--read", 1, "--json").data["sound"]
