"""Data that is gone from its source does not push the backups out that hold it."""

from datetime import timedelta
from pathlib import Path

import pytest

from backups.models import BackupExecution
from backups.service.drops.episodes import confirm_drop, open_drops, open_episodes
from backups.service.retention import prune as prune_service
from backups.service.retention.plan import plan_prune
from backups.service.retention.prune import prune
from destinations.models import BackupDestination
from tests.support.archives.stored import file_of
from tests.support.databases.sqlite_files import rows_of
from tests.support.drops import HOUR, empty, held, lacking
from tests.support.restores.instance_restores import restore
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db


@pytest.fixture
def two(destination: BackupDestination) -> BackupDestination:
    """A destination that keeps the newest two, and one good backup whatever happens."""
    destination.retention_strategy, destination.keep_count, destination.min_keep = "simple", 2, 1
    destination.save()
    return destination


def there(rows: list[BackupExecution]) -> list[int]:
    """Return which archives are there, by the file and by the row: a name that became free within a second is taken
    again."""
    for row in rows:
        row.refresh_from_db(fields=["deleted_at"])
    return [number for number, row in enumerate(rows) if row.deleted_at is None and file_of(row).exists()]


def test_five_nights_of_an_emptied_source_delete_no_backup_that_holds_the_data(
    small_shop: Path, back_up: BackUp, two: BackupDestination
) -> None:
    full = [back_up("shop") for _ in range(3)]
    assert there(full) == [1, 2]
    was = rows_of(small_shop / "orders.db")
    empty(small_shop)
    nights = [back_up("shop") for _ in range(5)]
    assert there(full) == [1, 2]
    assert [night.status for night in nights] == ["completed"] * 5
    # they rotate among themselves
    assert there(nights) == [3, 4]
    for night in nights:
        assert [(drop.component, drop.measure, drop.before, drop.after) for drop in open_drops(night)] == [
            ("orders", "rows", 400, 0),
            ("uploads", "files", 1, 0),
        ]
        assert any("orders: 400 rows became none" in warning for warning in night.warnings)
        assert night.manifest_json["warnings"] == night.warnings[:2]
    assert prune(two, by="tests").deleted == []

    restore(full[2])
    assert rows_of(small_shop / "orders.db") == was
    assert (small_shop / "uploads" / "photo").read_bytes() == b"photo"
    again = back_up("shop")
    assert (again.drops, open_episodes()) == (None, {})
    assert there(full) == [2]


def test_what_a_person_confirmed_is_the_state_to_compare_with_and_lets_older_backups_go(
    small_shop: Path, back_up: BackUp, two: BackupDestination
) -> None:
    full = [back_up("shop") for _ in range(2)]
    empty(small_shop)
    nights = [back_up("shop") for _ in range(2)]
    assert there(full) == [0, 1]
    changed = confirm_drop(nights[1], by="alice")
    assert changed == [nights[1], nights[0]]
    for night in nights:
        night.refresh_from_db()
        assert (night.open_drop, night.drop_confirmed_by) == (False, "alice")
        assert night.drop_confirmed_at is not None
        assert all(entry["confirmed_by"] == "alice" for entry in night.drops)
    assert [entry.execution for entry in plan_prune(two, nights[1].completed_at + HOUR).to_delete] == full[::-1]
    assert back_up("shop").drops is None
    assert there(full) == []


def test_a_drop_is_found_at_another_destination_too_and_holds_what_is_there(
    small_shop: Path, back_up: BackUp, two: BackupDestination, home: Path
) -> None:
    old = held(9 * HOUR, destination=two)
    held(8 * HOUR, destination=two)
    held(7 * HOUR, destination=two)
    other = BackupDestination(name="other", type="local", created_by="tests")
    other.configure({})
    other.save()
    assert [entry.execution for entry in plan_prune(two, old.started_at + 99 * HOUR).to_delete] == [old]
    lacking(2 * HOUR, destination=other)
    plan = plan_prune(two, old.started_at + 99 * HOUR)
    assert plan.to_delete == []
    assert "it is from before a drop of data that is not confirmed" in plan.entries[-1].reason


def test_backups_that_age_are_held_as_well_while_a_drop_is_open(destination: BackupDestination) -> None:
    destination.retention_days, destination.min_keep = 1, 1
    destination.save()
    rows = [held(age * 24 * HOUR, destination=destination) for age in range(20, 25)]
    night = lacking(HOUR, destination=destination)
    now = night.started_at + 2 * HOUR
    assert plan_prune(destination, now).to_delete == []
    confirm_drop(night, by="alice")
    assert {entry.execution for entry in plan_prune(destination, now).to_delete} == set(rows)


def test_what_lacks_data_is_no_replacement_for_the_least_number_of_good_backups(two: BackupDestination) -> None:
    two.min_keep = 2
    two.save()
    good = [held(age * HOUR, destination=two) for age in (30, 29)]
    for age in (28, 27, 26):
        lacking(age * HOUR, destination=two)
    # the data is there again: nothing is held any more, and what lacked it still takes no place
    good.append(held(HOUR, destination=two))
    plan = plan_prune(two, good[-1].started_at + HOUR)
    kept = {entry.execution for entry in plan.entries if entry.keep}
    assert {good[1], good[2]} <= kept
    assert good[0] not in kept


def test_a_drop_found_after_the_plan_was_made_is_seen_before_anything_is_deleted(
    two: BackupDestination, back_up: BackUp, small_shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [back_up("shop") for _ in range(2)]
    two.keep_count = 1
    two.save()
    planned = plan_prune(two, rows[1].completed_at + HOUR)
    assert [entry.execution for entry in planned.to_delete] == [rows[0]]
    lacking(timedelta(0), destination=two)
    monkeypatch.setattr(prune_service, "plan_prune", lambda *_, **__: planned)
    pruned = prune(two, by="tests")
    assert [entry.execution for entry, _ in pruned.spared] == [rows[0]]
    assert there(rows) == [0, 1]
