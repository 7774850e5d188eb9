"""What counts as a drop beside the one before, and what ends it."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.checks.drops import check_percent
from backups.models import BackupExecution
from backups.service.catalogue.sync import import_backups
from backups.service.drops.episodes import open_drops, open_episodes
from destinations.models import BackupDestination
from tests.support.call_commands import command, refused
from tests.support.databases.sqlite_files import make_database
from tests.support.drops import HOUR, empty, held, lacking
from tests.support.restores.instance_restores import restore
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db


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
