"""Data that is gone from its source does not push the backups out that still hold it, until a person confirms it."""

import logging
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from backups.checks.drops import check_drops, check_percent
from backups.models import BackupExecution
from backups.service.catalogue.sync import import_backups
from backups.service.drops.episodes import confirm_drop, open_drops, open_episodes
from backups.service.monitoring.protection import Condition, protections
from backups.service.retention import prune as prune_service
from backups.service.retention.plan import plan_prune
from backups.service.retention.prune import prune
from backups.signals import data_dropped
from destinations.models import BackupDestination
from tests.service.retention.test_holdings import database, tree
from tests.support.archives.stored import file_of
from tests.support.call_commands import command, refused
from tests.support.databases.sqlite_files import make_database, rows_of
from tests.support.restores.instance_restores import restore
from tests.support.rows import a_manifest, an_execution
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
FULL = (database("orders", orders=400), tree("uploads", 9, 9000))
EMPTY = (database("orders", orders=0), tree("uploads", 9, 9000))
LEFT = {"component": "orders", "table": "", "measure": "rows", "before": 400, "after": 0}


@pytest.fixture
def two(destination: BackupDestination) -> BackupDestination:
    """A destination that keeps the newest two, and one good backup whatever happens."""
    destination.retention_strategy, destination.keep_count, destination.min_keep = "simple", 2, 1
    destination.save()
    return destination


def empty(shop: Path) -> None:
    with closing(sqlite3.connect(shop / "orders.db")) as connection, connection:
        connection.execute("DELETE FROM orders")
    (shop / "uploads" / "photo").unlink()


def there(rows: list[BackupExecution]) -> list[int]:
    """Return which archives are there, by the file and by the row: a name that became free within a second is taken
    again."""
    for row in rows:
        row.refresh_from_db(fields=["deleted_at"])
    return [number for number, row in enumerate(rows) if row.deleted_at is None and file_of(row).exists()]


def held(age: timedelta, entries: Any = FULL, **fields: Any) -> BackupExecution:
    moment = (timezone.now() - age).isoformat()
    manifest = a_manifest("shop", contents=tuple(entries), absent=(), timestamp_utc=moment)
    return an_execution("shop", age=age, manifest_json=manifest.to_dict(), **fields)


def lacking(age: timedelta, **fields: Any) -> BackupExecution:
    return held(age, EMPTY, **{"drops": [dict(LEFT)]} | fields)


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


def test_one_emptied_table_beside_a_full_one_is_a_drop(small_shop: Path, back_up: BackUp) -> None:
    with closing(sqlite3.connect(small_shop / "orders.db")) as connection, connection:
        connection.execute("CREATE TABLE users (name TEXT)")
        connection.execute("INSERT INTO users VALUES ('alice')")
    back_up("shop")
    with closing(sqlite3.connect(small_shop / "orders.db")) as connection, connection:
        connection.execute("DELETE FROM users")
    assert [str(drop) for drop in open_drops(back_up("shop"))] == ["table users of orders: 1 row became none"]


def test_an_optional_component_that_is_absent_by_now_is_a_drop(
    tmp_path: Path, declare: Callable[[str], None], back_up: BackUp
) -> None:
    root = tmp_path / "shop"
    root.mkdir()
    make_database(root / "orders.db")
    (root / "note").write_text("hello")
    part = '[shop.components.{0}]\nkind = "{1}"\npath = "{2}"\noptional = true\n'
    declare(
        f'[shop]\nkind = "generic"\nroot = "{root}"\n'
        + part.format("orders", "sqlite", "orders.db")
        + part.format("note", "files", "note")
    )
    assert back_up("shop").drops is None
    (root / "orders.db").unlink()
    assert [str(drop) for drop in open_drops(back_up("shop"))] == ["orders: 10 rows became none"]


def test_safety_backups_are_neither_judged_nor_compared_with(
    small_shop: Path, back_up: BackUp, destination: BackupDestination
) -> None:
    full = back_up("shop")
    empty(small_shop)
    restored = restore(full)
    assert restored.safety_backup is not None
    assert restored.safety_backup.drops is None
    assert back_up("shop").drops is None


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


def test_only_some_components_are_confirmed_and_the_others_are_still_compared(
    small_shop: Path, back_up: BackUp
) -> None:
    back_up("shop")
    empty(small_shop)
    night = back_up("shop")
    confirm_drop(night, by="alice", components=["uploads"])
    assert night.open_drop
    assert [drop.component for drop in open_drops(back_up("shop"))] == ["orders"]


def test_a_later_backup_that_lost_even_more_stays_unconfirmed() -> None:
    held(9 * HOUR)
    first = held(8 * HOUR, drops=[LEFT | {"after": 40}])
    second = lacking(7 * HOUR)
    confirm_drop(first, by="alice")
    second.refresh_from_db()
    assert (second.open_drop, open_episodes()["shop"].newest) == (True, second)


def test_a_drop_is_told_in_the_log_by_the_signal_and_by_the_check_until_it_is_confirmed(
    small_shop: Path, back_up: BackUp, caplog: pytest.LogCaptureFixture, told: list[str]
) -> None:
    caplog.set_level(logging.INFO, "backups")
    back_up("shop")
    assert check_drops(None, ["default"]) == []
    empty(small_shop)
    night = back_up("shop")
    assert f"backup.dropped backup={night.pk} instance=shop" in caplog.text
    assert len(told) == 1 and "orders: 400 rows became none" in told[0]
    (found,) = check_drops(None, ["default"])
    assert found.id == "backups.W070" and "confirmdrop shop" in str(found.hint)
    confirm_drop(night, by="alice")
    assert f"backup.drop-confirmed backup={night.pk} instance=shop by=alice" in caplog.text
    assert check_drops(None, ["default"]) == []


@pytest.fixture
def told() -> Iterator[list[str]]:
    said: list[str] = []

    def listen(sender: object, message: str, **_: Any) -> None:
        said.append(message)

    data_dropped.connect(listen)
    yield said
    data_dropped.disconnect(listen)


def test_components_and_tables_may_be_left_out_by_a_setting(
    small_shop: Path, back_up: BackUp, settings: Settings
) -> None:
    settings.BACKUP_DROP_IGNORE = ["shop/up*"]
    back_up("shop")
    empty(small_shop)
    assert [drop.component for drop in open_drops(back_up("shop"))] == ["orders"]
    settings.BACKUP_DROP_IGNORE = ["*/orders", "shop/uploads"]
    assert back_up("shop").drops is None


@pytest.mark.parametrize(("percent", "ids"), [(0, ["backups.E070"]), (1, []), (100, []), (101, ["backups.E070"])])
def test_a_percentage_that_means_nothing_is_found_by_the_check(
    percent: int, ids: list[str], settings: Settings
) -> None:
    settings.BACKUP_DROP_PERCENT = percent
    assert [message.id for message in check_percent(None)] == ids


def test_an_instance_whose_newest_backup_lacks_data_is_not_safe(home: Path, small_shop: Path) -> None:
    held(9 * HOUR)
    assert protections(names=["shop"])[0].condition is Condition.SAFE
    night = lacking(HOUR)
    (found,) = protections(names=["shop"])
    assert (found.condition, found.good) == (Condition.DROPPED, night)
    assert found.episode is not None and found.episode.since == night.started_at
    # a safety backup comes after it and changes nothing
    held(timedelta(minutes=1), EMPTY, kind="safety")
    assert protections(names=["shop"])[0].condition is Condition.DROPPED


def test_a_clock_that_was_ahead_hides_no_drop(home: Path) -> None:
    held(-999 * HOUR)
    lacking(HOUR)
    assert "shop" in open_episodes()


def test_a_clock_that_was_set_back_still_finds_what_to_compare_with(small_shop: Path, back_up: BackUp) -> None:
    full = back_up("shop")
    BackupExecution.objects.filter(pk=full.pk).update(started_at=full.started_at + 999 * HOUR)
    empty(small_shop)
    assert back_up("shop").open_drop


def test_a_catalogue_that_is_rebuilt_from_the_archives_knows_their_drops(
    small_shop: Path, back_up: BackUp, destination: BackupDestination
) -> None:
    full = back_up("shop")
    empty(small_shop)
    night = back_up("shop", kind="scheduled")
    # the folders sort against the time: config_change before manual
    last = back_up("shop", kind="config_change")
    paths = [row.backup_path for row in (full, night, last)]
    BackupExecution.objects.all().delete()
    import_backups(destination, by="tests")
    rows = [BackupExecution.objects.get(backup_path=path) for path in paths]
    assert [row.open_drop for row in rows] == [False, True, True]
    assert all(row.adopted for row in rows)
    assert open_episodes()["shop"].since == rows[1].started_at
    assert back_up("shop").open_drop


def test_the_command_confirms_the_newest_of_an_instance_or_one_by_its_id(home: Path) -> None:
    held(9 * HOUR)
    first, second = lacking(8 * HOUR), lacking(7 * HOUR)
    dry = command("confirmdrop", "shop", "--dry-run", "--json").data
    assert (dry["id"], dry["dry_run"], dry["confirmed_in"]) == (second.pk, True, [])
    assert "has no open drop in up" in refused("confirmdrop", "shop", "--component", "up")
    done = command("confirmdrop", second.pk[:8], "--component", "orders", "--json").data
    assert done["confirmed_in"] == [second.pk, first.pk]
    assert done["drop_confirmed_by"] and done["drop_confirmed_at"]
    assert "has no drop to confirm" in refused("confirmdrop", "shop")
    assert "has no drop to confirm" in refused("confirmdrop", first.pk)
    assert "There is no backup" in refused("confirmdrop", "nowhere")


def test_lists_and_shows_say_what_a_backup_lacks(home: Path) -> None:
    night = lacking(HOUR)
    assert "completed" in command("listbackups").out
    assert "data dropped: orders: 400 rows became none" in command("listbackups").out
    assert command("listbackups", "--json").data[0]["drops"] == [LEFT]
    assert "orders: 400 rows became none (not confirmed)" in command("showbackup", night.pk).out
    assert command("showbackup", night.pk, "--json").data["drops"] == [LEFT]


def test_a_source_that_fills_again_ends_it_by_itself(small_shop: Path, back_up: BackUp) -> None:
    back_up("shop")
    saved = small_shop.parent / "saved"
    shutil.copytree(small_shop, saved)
    empty(small_shop)
    assert back_up("shop").open_drop
    shutil.rmtree(small_shop)
    shutil.copytree(saved, small_shop)
    assert back_up("shop").drops is None
    assert open_episodes() == {}


def test_a_run_that_failed_after_it_was_compared_has_no_drop(home: Path) -> None:
    held(9 * HOUR)
    failed = lacking(HOUR, status="failed")
    assert (failed.open_drop, open_episodes()) == (False, {})
    assert "data dropped" not in command("listbackups").out
    assert "has no drop to confirm" in refused("confirmdrop", failed.pk)
