"""Drops are shown until somebody confirms them."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from backups.checks.drops import check_drops
from backups.service.drops.episodes import confirm_drop, open_drops, open_episodes
from backups.service.monitoring.protection import protections
from backups.signals import data_dropped
from tests.support.call_commands import command, refused
from tests.support.drops import EMPTY, HOUR, LEFT, empty, held, lacking
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db


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


def test_an_instance_whose_newest_backup_lacks_data_is_not_safe(home: Path, small_shop: Path) -> None:
    held(9 * HOUR)
    assert protections(names=["shop"])[0].episode is None
    night = lacking(HOUR)
    (found,) = protections(names=["shop"])
    assert found.good == night
    assert found.episode is not None and found.episode.since == night.started_at
    # a safety backup comes after it and changes nothing
    held(timedelta(minutes=1), EMPTY, kind="safety")
    assert protections(names=["shop"])[0].episode is not None


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
