"""Runs around changes of clocks, beside what going through every minute finds."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from backups.service.schedules.cadence import parse_cron, upcoming
from tests.support.clock_changes import DAY, HOURS, clock_changes, due, minutes_around

SINCE, UNTIL = datetime(2017, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
# Clocks change at midnight, at one, by half an hour, by two hours, by three, in Ramadan, and once and never again.
ZONES = (
    "Africa/Cairo",
    "Asia/Beirut",
    "America/Santiago",
    "America/Havana",
    "Australia/Lord_Howe",
    "Antarctica/Troll",
    "Antarctica/Casey",
    "Africa/Casablanca",
    "Asia/Gaza",
    "America/Asuncion",
    "Africa/Juba",
    "Europe/Berlin",
)


@pytest.mark.parametrize("name", ZONES)
def test_every_slot_around_a_change_of_clocks_has_its_run_and_no_other(name: str) -> None:
    zone = ZoneInfo(name)
    changes = list(clock_changes(zone, SINCE, UNTIL))
    assert changes, name
    # the last in each direction: their rules are of today
    for change in changes[-2:]:
        minutes = minutes_around(zone, change)
        for hour in ("*", "*/2", "*/5", "*/6", "*/12", "*/23", "0", "1", "2", "3"):
            expected = due(minutes, hour, 0)
            assert runs(f"0 {hour} * * *", name, minutes[0].at, len(expected)) == expected, f"{hour} at {change}"


@pytest.mark.parametrize("name", ["Africa/Cairo", "Australia/Lord_Howe"])
def test_every_step_and_every_named_hour_has_its_run_when_clocks_go_forward(name: str) -> None:
    zone = ZoneInfo(name)
    change = next(one for one in clock_changes(zone, SINCE, UNTIL) if is_forward(one, zone))
    minutes = minutes_around(zone, change)
    for hour in HOURS:
        expected = due(minutes, hour, 15)
        assert runs(f"15 {hour} * * *", name, minutes[0].at, len(expected)) == expected, hour


def is_forward(change: datetime, zone: ZoneInfo) -> bool:
    after, before = change.astimezone(zone).utcoffset(), (change - DAY).astimezone(zone).utcoffset()
    assert after is not None
    assert before is not None
    return after > before


def runs(expression: str, zone: str, since: datetime, count: int) -> list[datetime]:
    """Return the first `count` runs at or after `since`."""
    return upcoming(parse_cron(expression, zone), since - timedelta(seconds=1), count)
