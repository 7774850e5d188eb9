"""When a schedule runs next, on days with and without a change of clocks."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from backups.errors import BackupError
from backups.service.schedules.cadence import (
    Cadence,
    cadence,
    latest_due,
    parse_cron,
    parse_interval,
    time_zone,
    upcoming,
)

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def runs(expression: str, zone: str, since: str, count: int) -> list[str]:
    return [f"{run:%m-%d %H:%M}" for run in upcoming(parse_cron(expression, zone), at(since), count)]


def test_a_daily_time_follows_the_wall_clock_through_summer_and_winter() -> None:
    assert runs("0 2 * * *", BERLIN, "2026-07-01T12:00", 1) == ["07-02 00:00"]
    assert runs("0 2 * * *", BERLIN, "2026-12-01T12:00", 1) == ["12-02 01:00"]


def test_a_named_time_in_the_hour_that_exists_twice_runs_once() -> None:
    assert runs("30 2 * * *", BERLIN, "2026-10-24T12:00", 2) == ["10-25 00:30", "10-26 01:30"]
    assert runs("30 1 * * *", NEW_YORK, "2026-10-31T12:00", 2) == ["11-01 05:30", "11-02 06:30"]


def test_a_named_time_that_does_not_exist_runs_right_after_the_gap() -> None:
    assert runs("30 2 * * *", BERLIN, "2026-03-28T12:00", 2) == ["03-29 01:30", "03-30 00:30"]
    assert runs("30 2 * * *", NEW_YORK, "2026-03-07T12:00", 2) == ["03-08 07:30", "03-09 06:30"]


def test_an_expression_for_every_hour_leaves_no_gap_when_clocks_change() -> None:
    for zone, since in ((BERLIN, "2026-10-25T00:10"), (BERLIN, "2026-03-29T00:10"), (NEW_YORK, "2026-11-01T04:10")):
        found = upcoming(parse_cron("*/30 * * * *", zone), at(since), 12)
        assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(minutes=30)}


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK, "UTC", "Asia/Kathmandu", "Australia/Lord_Howe"])
def test_a_year_of_daily_runs_has_one_a_day_whatever_the_zone(zone: str) -> None:
    found = upcoming(parse_cron("30 2 * * *", zone), at("2026-01-01T00:00"), 365)
    days = {run.astimezone(time_zone(zone)).date() for run in found}
    assert len(days) == 365
    assert found == sorted(set(found))


def test_a_leap_day_is_found_years_ahead() -> None:
    assert runs("0 3 29 2 *", "UTC", "2026-03-01T00:00", 1) == ["02-29 03:00"]
    assert parse_cron("0 3 29 2 *", "UTC").next_after(at("2026-03-01T00:00")).year == 2028


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("0 3 31 2 *", "a day that never comes"),
        ("R 3 * * *", "is not a cron expression."),
        ("H 3 * * *", "is not a cron expression."),
        ("* * * * * *", "is not a cron expression."),
        ("61 * * * *", "is not a cron expression."),
        ("*/90 * * * *", "counts by 90, past the end of its field."),
        ("0 */99999999999999 * * *", "past the end of its field"),
        ("0-999999999 * * * *", "is not a cron expression."),
        ("@daily", "is not a cron expression."),
        ("0 2 * * " + "1,2," * 200 + "3", "has at most 500 characters"),
        ("*/" + "9" * 5000 + " * * * *", "has at most 500 characters"),
        ("", "is not a cron expression."),
        ("0 2 * *; rm -rf", "is not a cron expression."),
    ],
)
def test_an_impossible_cron_expression_is_refused_with_the_reason(expression: str, said: str) -> None:
    with pytest.raises(BackupError, match=said):
        parse_cron(expression, "UTC")


def test_an_unknown_time_zone_is_named() -> None:
    for name in ("Europe/Atlantis", "../etc/passwd", ""):
        with pytest.raises(BackupError, match="There is no time zone"):
            parse_cron("0 2 * * *", name)


def test_intervals_run_in_slots_that_restarts_do_not_move() -> None:
    rhythm = cadence("interval", "hours:6", "UTC")
    first = rhythm.next_after(at("2026-11-23T13:31"))
    assert first == at("2026-11-23T18:00")
    assert rhythm.next_after(first - timedelta(seconds=1)) == first
    assert rhythm.next_after(first) == at("2026-11-24T00:00")


@pytest.mark.parametrize(
    "expression", ["hours:0", "seconds:30", "months:1", "hours", "hours:-1", "days:400", "hours:1.5"]
)
def test_an_interval_out_of_bounds_or_unknown_is_refused(expression: str) -> None:
    with pytest.raises(BackupError):
        parse_interval(expression)


def noon(moment: datetime) -> datetime:
    return (moment + timedelta(days=1)).replace(hour=12, minute=0, second=0, microsecond=0)


def stuck(moment: datetime) -> datetime:
    return moment


def test_a_custom_cadence_is_the_allowed_function_and_nothing_else() -> None:
    rhythm: Cadence = cadence("custom", "noon", "UTC", custom={"noon": noon})
    assert rhythm.next_after(at("2026-01-01T15:00")) == at("2026-01-02T12:00")
    with pytest.raises(BackupError, match=r"no custom cadence 'os\.system'"):
        cadence("custom", "os.system", "UTC", custom={"noon": noon})


def test_a_custom_cadence_that_does_not_move_on_is_an_error_and_no_endless_loop() -> None:
    with pytest.raises(BackupError, match="not an aware time after"):
        cadence("custom", "stuck", "UTC", custom={"stuck": stuck}).next_after(at("2026-01-01T15:00"))


def test_of_many_missed_slots_the_last_one_is_due() -> None:
    rhythm = parse_cron("0 2 * * *", "UTC")
    assert latest_due(rhythm, at("2026-01-01T02:00"), at("2026-01-05T08:00")) == at("2026-01-05T02:00")
    assert latest_due(rhythm, at("2026-01-05T02:00"), at("2026-01-05T02:00")) == at("2026-01-05T02:00")


@pytest.mark.parametrize("expression", ["* * * * *", "*/5 8-17 * * 1-5", "30 2 * * *", "0 0 29 2 *"])
def test_the_last_slot_of_a_year_off_is_found_without_going_through_all_of_them(expression: str) -> None:
    asked = []

    class Counted:
        def next_after(self, moment: datetime) -> datetime:
            asked.append(moment)
            return rhythm.next_after(moment)

    rhythm = parse_cron(expression, BERLIN)
    now = at("2029-01-08T07:13:20")
    slot = latest_due(Counted(), rhythm.next_after(at("2028-01-01T00:00")), now)
    assert slot <= now < rhythm.next_after(slot)
    assert len(asked) < 100


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK, "Australia/Lord_Howe"])
@pytest.mark.parametrize("expression", ["*/30 * * * *", "30 1,2,3 * * *", "15 2 * * 0", "*/20 2 * * *"])
def test_the_last_slot_is_the_one_that_going_through_all_of_them_finds(expression: str, zone: str) -> None:
    rhythm = parse_cron(expression, zone)
    for day in ("2026-10-23T00:00", "2026-03-06T00:00", "2026-03-27T00:00"):
        slots = upcoming(rhythm, at(day), 40)
        for slot, following in pairwise(slots):
            assert latest_due(rhythm, slots[0], following - timedelta(seconds=1)) == slot
            assert latest_due(rhythm, slots[0], slot) == slot
