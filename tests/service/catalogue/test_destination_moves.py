"""A destination stays where its archives are."""

import shutil
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from backups.models import BackupExecution
from backups.service.catalogue.sync import import_backups
from destinations.models import BackupDestination
from tests.support.archives.stored import folder_of, stored, there
from tests.support.call_commands import command
from tests.support.file_systems import bound
from tests.support.rows import Status, an_execution, recopied

pytestmark = pytest.mark.django_db


def move(destination: BackupDestination, path: str) -> str:
    """Return why the move is refused, nothing when it is done."""
    row = BackupDestination.objects.get(pk=destination.pk)
    row.configure({"path": path})
    try:
        row.full_clean()
    except ValidationError as error:
        return " ".join(error.messages)
    row.save()
    return ""


def test_it_is_not_moved_while_archives_are_there(destination: BackupDestination, home: Path) -> None:
    stored(destination)
    assert f"from {home}/backups/nas to {home}/backups/elsewhere: 1 of its archives" in move(destination, "elsewhere")
    destination.refresh_from_db()
    assert destination.options()["path"] == "nas"


@pytest.mark.parametrize("gone", ["deleted_at", "missing_at"])
def test_it_is_moved_when_none_is_there_any_more_and_starts_afresh(destination: BackupDestination, gone: str) -> None:
    row = stored(destination)
    BackupDestination.objects.update(established=True)
    BackupExecution.objects.filter(pk=row.pk).update(**{gone: timezone.now()})
    recopied()
    assert move(destination, "elsewhere") == ""
    destination.refresh_from_db()
    assert not destination.established
    destination.test(user="tests")


def test_it_is_not_moved_under_a_backup_that_runs(destination: BackupDestination) -> None:
    an_execution(destination=destination, status=Status.RUNNING)
    assert "cannot be moved" in move(destination, "elsewhere")


@pytest.mark.parametrize("spelling", ["nas/", "./nas", "{root}/nas", "{root}/nas/"])
def test_another_spelling_of_the_same_folder_is_no_move(
    destination: BackupDestination, spelling: str, home: Path
) -> None:
    rows = [stored(destination)]
    assert move(destination, spelling.format(root=home / "backups")) == ""
    destination.refresh_from_db()
    assert there(rows) == [0]


def test_a_link_to_the_folder_is_a_move_because_links_are_not_followed(destination: BackupDestination) -> None:
    stored(destination)
    folder_of(destination).with_name("link").symlink_to("nas")
    assert "cannot be moved" in move(destination, "link")


def test_the_same_folder_mounted_at_another_place_is_no_move(destination: BackupDestination) -> None:
    stored(destination)
    other = folder_of(destination).with_name("other")
    other.mkdir(mode=0o700)
    with bound(folder_of(destination), other):
        assert move(destination, "other") == ""
        destination.refresh_from_db()
        assert [found.missing for found in [import_backups(destination, by="tests")]] == [[]]


def test_archives_that_were_moved_by_hand_are_followed_step_by_step(destination: BackupDestination) -> None:
    row = stored(destination)
    BackupDestination.objects.update(established=True)
    new = folder_of(destination).with_name("new")
    shutil.move(folder_of(destination), new)
    assert command("testdestination", "nas", "--accept-empty").code == 0
    assert command("importbackups", "nas").code == 0
    row.refresh_from_db()
    assert row.missing_at is not None
    assert move(destination, "new") == ""
    assert command("importbackups", "nas").code == 0
    row.refresh_from_db()
    destination.refresh_from_db()
    assert (row.missing_at, row.has_archive) == (None, True)


def test_a_destination_whose_options_cannot_be_read_may_be_given_new_ones(destination: BackupDestination) -> None:
    stored(destination)
    BackupDestination.objects.update(config_json={"path": "../outside"})
    assert move(destination, "nas") == ""
