"""Backups whose amounts are off the trend of those before: found, held, shown, confirmed, over, and over again."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from backups.archive.manifest.document import Entry
from backups.checks.drops import check_drops, check_growth
from backups.models import BackupExecution
from backups.service.catalogue.sync import import_backups
from backups.service.drops.episodes import confirm_drop, open_drops, open_episodes
from backups.service.drops.find import record_drops_of_adopted
from backups.service.drops.past import PastBackups
from backups.service.retention.plan import plan_prune
from destinations.models import BackupDestination
from tests.service.drops.test_holdings import database, tree
from tests.support.call_commands import command
from tests.support.drops import HOUR, held
from tests.support.pages.admin_pages import url
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
GROWN = {
    "component": "orders", "table": "", "measure": "rows", "before": 1200, "after": 12_000, "kind": "grown",
    "limit": 12_000, "backups": 12,
}  # fmt: skip
SHRUNK = {
    "component": "orders", "table": "", "measure": "rows", "before": 4000, "after": 390, "kind": "shrunk",
    "limit": 400, "backups": 13,
}  # fmt: skip


def history(rows: int = 1200, times: int = 12, **fields: Any) -> list[BackupExecution]:
    """Return the backups of as many days, the oldest first."""
    entries = (database("orders", orders=rows), tree("uploads", 1, 5))
    return [held((day + 1) * DAY, entries, **fields) for day in reversed(range(times))]


def tonight(*entries: Any, age: timedelta = HOUR) -> BackupExecution:
    """Return a backup that was compared with those before it."""
    usual = (database("orders", orders=12_000), tree("uploads", 1, 5))
    backup = held(age, entries or usual)
    record_drops_of_adopted([backup])
    backup.refresh_from_db()
    return backup


def test_ten_times_the_rows_stop_pruning_until_a_person_confirms_them(
    small_shop: Path, back_up: BackUp, destination: BackupDestination, admin_client: Client
) -> None:
    destination.retention_strategy, destination.keep_count, destination.min_keep = "simple", 3, 1
    destination.save()
    old = history(destination=destination)
    with closing(sqlite3.connect(small_shop / "orders.db")) as orders, orders:
        orders.execute("CREATE TABLE log (id INTEGER PRIMARY KEY)")
        orders.executemany("INSERT INTO log VALUES (?)", ((number,) for number in range(11_600)))

    night = back_up("shop")

    assert night.drops == [GROWN]
    assert any("1,200 rows became 12,000 rows, off the trend of 12 backups" in text for text in night.warnings)
    assert night.amounts == [
        {
            "component": "orders",
            "rows": 12_000,
            "files": None,
            "bytes": night.manifest_json["contents"][0]["size_bytes"],
        },
        {"component": "uploads", "rows": None, "files": 1, "bytes": 5},
    ]
    assert plan_prune(destination, night.completed_at + HOUR).to_delete == []
    dry = command("prunebackups", "--dry-run").out
    assert "from before a growth of data that is not confirmed: orders: 1,200 rows became 12,000 rows" in dry
    preview = f"/admin/destinations/backupdestination/{destination.pk}/retention/"
    assert "12,000 rows or more" in page_at(admin_client, preview).text
    assert "12,000 rows or more" in command("listbackups").out
    assert "12,000 rows or more (not confirmed)" in command("showbackup", night.pk).out
    assert command("showbackup", night.pk, "--json").data["drops"] == [GROWN]
    page = page_at(admin_client, url(old[0], "delete_archive"))
    assert "12,000 rows or more" in page.notice("before-drop").text
    (found,) = check_drops(None, ["default"])
    assert "holds far more data than before" in found.msg
    for place in ("/admin/", "/admin/backups/instances/shop/"):
        assert "12,000 rows or more" in page_at(admin_client, place).notice("drop", "shop").text

    assert "12,000 rows or more" in command("confirmdrop", "shop").out
    assert open_episodes() == {}
    gone = {entry.execution for entry in plan_prune(destination, night.completed_at + HOUR).to_delete}
    assert gone == set(old[:-2])


def test_a_decline_is_found_that_no_single_backup_shows(home: Path) -> None:
    history(4000)
    held(5 * HOUR, (database("orders", orders=1200),))
    night = tonight(database("orders", orders=390))
    assert night.drops == [SHRUNK]
    assert str(open_drops(night)[0]).endswith(
        "4,000 rows became 390 rows, off the trend of 13 backups: 400 rows or less"
    )
    (episode,) = open_episodes(["shop"]).values()
    assert (episode.off_trend, episode.lost) == (open_drops(night), [])


def test_its_page_has_the_median_the_amount_and_the_limit(home: Path) -> None:
    history()
    night = tonight()
    client = a_client(VIEW, "confirm_drop")
    for page in (page_at(client, url(night)), page_at(client, url(night, "confirm_drop"))):
        row = page.section("drops").row("orders")
        assert [row.field(name).value for name in ("before", "after", "limit")] == ["1200", "12000", "12000"]
    page = page_at(client, url(night, "confirm_drop"), {"confirm": "shop", "components": ["orders"]})
    assert page.notice("drop").status == "confirmed"
    assert "Confirmed that data is far more on purpose" in page.section("history").text


def test_a_growth_beyond_what_was_confirmed_stays_open(home: Path) -> None:
    history()
    first = tonight()
    usual = (database("orders", orders=12_000), tree("uploads", 1, 5))
    later, less = (
        held(timedelta(minutes=age), usual, drops=[GROWN | {"after": rows}]) for age, rows in ((9, 12_001), (8, 11_999))
    )
    confirm_drop(first, by="alice")
    for row in (later, less):
        row.refresh_from_db()
    assert (later.open_drop, less.open_drop) == (True, False)
    # what was confirmed is compared with from now on
    assert tonight(age=timedelta(minutes=1)).drops is None


def test_backups_with_an_open_drop_are_no_part_of_the_window_however_many_there_are(home: Path) -> None:
    history(times=14)
    late = (database("orders", orders=1200), tree("uploads", 1, 5))
    for minute in range(30):
        held(2 * HOUR + timedelta(minutes=minute), late, drops=[GROWN])
    night = tonight()
    assert [drop["backups"] for drop in night.drops] == [14]
    # the other components are compared with the newest backups all the same, and no manifest was read in vain
    states = PastBackups().states_before(night)
    assert [len(states[name]) for name in ("orders", "uploads")] == [14, 34]


def test_a_weekly_loss_that_was_confirmed_twice_is_recorded_as_recurring(home: Path, admin_client: Client) -> None:
    confirmed = SHRUNK | {"after": 380, "confirmed_by": "alice", "confirmed_at": "2026-01-01T00:00:00+00:00"}
    low = (database("orders", orders=380),)
    for day in range(15, 0, -1):
        full = {"entries": (database("orders", orders=4000),)}
        weekly = {"entries": low, "drops": [confirmed], "drop_confirmed_by": "alice"}
        fields = weekly | {"drop_confirmed_at": "2026-01-01T00:00:00Z"} if day in (7, 14) else full
        held(day * DAY, **fields)
    night = tonight(*low)
    assert (night.open_drop, night.drop_confirmed_by, open_episodes()) == (False, "recurring", {})
    assert night.drops[0]["confirmed_by"] == "recurring"
    page = page_at(admin_client, url(night))
    assert (page.notice("drop").status, page.section("drops").row("orders").status) == ("confirmed", "confirmed")
    # an empty one is asked about each time
    assert tonight(database("orders", orders=0)).open_drop


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (database("orders", orders=400, cache=90_000), database("orders", orders=400, cache=0)),
        (database("orders", orders=400, cache=9_000), database("orders", orders=400, cache=99_000)),
    ],
)
def test_a_table_that_is_left_out_does_not_count_in_its_component_either(
    before: Entry, after: Entry, home: Path, settings: Settings
) -> None:
    for day in range(20, 0, -1):
        held(day * DAY, (before,))
    assert tonight(after).open_drop
    settings.BACKUP_DROP_IGNORE = ["shop/orders"]
    assert tonight(after).drops is None
    settings.BACKUP_DROP_IGNORE = ["shop/*/cache"]
    assert tonight(after).drops is None
    assert tonight(database("orders", orders=0, cache=9_000)).open_drop


@pytest.mark.parametrize(("factor", "ids"), [(0, []), (1, ["backups.E071"]), (2, []), (-3, ["backups.E071"])])
def test_a_factor_that_means_nothing_is_found_by_the_check(factor: int, ids: list[str], settings: Settings) -> None:
    settings.BACKUP_GROWTH_FACTOR = factor
    assert [message.id for message in check_growth(None)] == ids


def test_what_was_confirmed_stays_confirmed_when_the_archive_is_imported_again(home: Path) -> None:
    history()
    night = tonight()
    confirm_drop(night, by="alice")
    record_drops_of_adopted([night])
    night.refresh_from_db()
    assert [entry["confirmed_by"] for entry in night.drops] == ["alice"]


def test_a_rebuilt_catalogue_has_the_amounts_of_each_archive(
    small_shop: Path, back_up: BackUp, destination: BackupDestination
) -> None:
    amounts = back_up("shop").amounts
    BackupExecution.objects.all().delete()
    import_backups(destination, by="tests")
    assert amounts and BackupExecution.objects.get().amounts == amounts


def test_each_manifest_is_read_once_however_many_archives_are_adopted(home: Path) -> None:
    rows = history(times=30, adopted=True)
    with CaptureQueriesContext(connection) as queries:
        record_drops_of_adopted(rows)
    manifests = [
        query["sql"] for query in queries if query["sql"].startswith('SELECT "backup_executions"."manifest_json"')
    ]
    # its own, and once as one of those before
    assert len(manifests) <= 2 * len(rows)
