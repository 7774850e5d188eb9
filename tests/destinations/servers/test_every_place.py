"""A real service is backed up to every type of destination in one run, and restored from each in turn."""

from pathlib import Path
from typing import Any

import pytest

from backups.models import BackupExecution
from backups.service.backup.run import backup_now
from destinations.models import BackupDestination
from tests.destinations.contract.places import PLACES, Place
from tests.support.restores.instance_restores import restore, spoil_tacacs, tacacs_state

pytestmark = pytest.mark.django_db


@pytest.fixture
def backup_root(home: Path) -> Path:
    return home / "backups"


@pytest.fixture
def places(request: pytest.FixtureRequest, backup_root: Path) -> dict[str, Place]:
    """One place of each type."""
    found: dict[str, Place] = {}
    for place in PLACES.values():
        found.setdefault(place.type, place(request))
    return found


def destination_at(place: Place, position: int) -> BackupDestination:
    # encryption has its own tests: an archive for every place is the same here
    row = BackupDestination(name=place.type, type=place.type, position=position, encryption="allowed")
    row.configure(place.options())
    row.save()
    return row


def lose(backup: BackupExecution, name: str) -> None:
    """Delete the archive as another program would, without a word to this site."""
    copy = backup.copies.select_related("destination").get(destination__name=name)
    with copy.destination.open() as opened:
        opened.delete(copy.path)


def test_a_backup_in_every_type_of_place_is_restored_from_each_while_they_are_lost_one_by_one(
    places: dict[str, Place], tacacs_root: Path, settings: Any
) -> None:
    before = tacacs_state(tacacs_root)
    rows = {name: destination_at(place, position) for position, (name, place) in enumerate(places.items())}
    backup = backup_now("tacacs-hq", list(rows.values()), by="tests")
    assert backup.copies_state == "all"
    assert {copy.destination.type: copy.condition for copy in backup.copies.all()} == dict.fromkeys(rows, "stored")
    archives = {
        name: place.read(copy.path)
        for name, place in places.items()
        for copy in backup.copies.filter(destination=rows[name])
    }
    assert len(set(archives.values())) == 1

    # what is on this machine first, then by position
    order = sorted(rows, key=lambda name: (rows[name].leaves_this_machine, rows[name].position))
    for lost, name in enumerate(order):
        spoil_tacacs(tacacs_root)
        restored = restore(backup)
        assert tacacs_state(tacacs_root) == before
        gone = [text for text in restored.warnings if text.startswith("The copy at ")]
        assert (name, len(gone)) == (name, min(lost, 1))
        lose(backup, name)
        backup.refresh_from_db()
    assert [copy.condition for copy in backup.copies.order_by("position")].count("missing") == len(order) - 1
