"""A destination whose last archive was deleted is one that may be empty."""

import shutil

import pytest

from backups.service.archives.records.delete import delete_backup
from destinations.exceptions import DestinationUnavailable
from destinations.models import BackupDestination
from tests.support.archives.stored import daily, folder_of, stored

pytestmark = pytest.mark.django_db


def test_a_destination_may_be_empty_once_its_last_archive_is_deleted_and_not_before(
    destination: BackupDestination,
) -> None:
    first, second = daily(destination, 2)
    BackupDestination.objects.update(established=True)
    for backup in (first, second):
        backup.refresh_from_db()
    delete_backup(first, by="tests", reason="space")
    destination.refresh_from_db()
    assert destination.established
    delete_backup(second, by="tests", reason="space")
    destination.refresh_from_db()
    assert not destination.established
    shutil.rmtree(folder_of(destination))
    with destination.open() as place:
        assert list(place.list()) == []


def test_a_destination_that_lost_its_folder_is_still_refused(destination: BackupDestination) -> None:
    stored(destination)
    BackupDestination.objects.update(established=True)
    destination.refresh_from_db()
    shutil.rmtree(folder_of(destination))
    with destination.open() as place, pytest.raises(DestinationUnavailable):
        list(place.list())
