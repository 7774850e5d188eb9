"""What each strategy keeps, on calendars small enough to read, and which rules are refused."""

from dataclasses import FrozenInstanceError
from datetime import datetime, timedelta
from typing import Any

import pytest

from backups.service.retention.rules import SETTINGS_OF, RetentionError, Rule
from tests.support.retention_cases import NOW, at, daily, gone, judge, kept, reason, taken


def test_an_age_of_thirty_days_keeps_what_is_not_older_to_the_second() -> None:
    border = NOW - timedelta(days=30)
    inside, outside = taken(border, id="inside"), taken(border - timedelta(seconds=1), id="outside")
    decisions = judge(Rule(strategy="simple", keep_days=30, min_keep=1), [*daily(3), outside, inside])
    assert gone(decisions) == ["outside"]
    assert reason(decisions, "outside") == "goes because it is older than 30 days"
    assert reason(decisions, "inside") == "kept because it is not older than 30 days"


def test_a_number_keeps_the_newest_however_old_they_are() -> None:
    decisions = judge(Rule(strategy="simple", keep_count=4), daily(6, newest=at("2019-01-09")))
    assert gone(decisions) == ["app-4", "app-5"]
    assert reason(decisions, "app-3") == "kept because it is one of the newest 4"
    assert reason(decisions, "app-4") == "goes because it is not one of the newest 4"


def test_with_an_age_and_a_number_a_backup_goes_only_when_it_is_outside_both() -> None:
    by_age = judge(Rule(strategy="simple", keep_days=5, keep_count=2), daily(10))
    assert kept(by_age) == [f"app-{age}" for age in range(6)]
    by_number = judge(Rule(strategy="simple", keep_days=2, keep_count=7), daily(10))
    assert kept(by_number) == [f"app-{age}" for age in range(7)]
    why = "goes because it is older than 2 days and it is not one of the newest 7"
    assert reason(by_number, "app-7") == why


def test_gfs_keeps_the_newest_of_each_day_week_month_and_year() -> None:
    rule = Rule(strategy="gfs", keep_daily=3, keep_weekly=2, keep_monthly=3, keep_yearly=2, min_keep=1)
    decisions = judge(rule, daily(500, newest=at("2026-03-31 02:00")))
    dates = [f"{decision.backup.taken_at:%Y-%m-%d}" for decision in decisions if decision.keep]
    assert dates == ["2026-03-31", "2026-03-30", "2026-03-29", "2026-02-28", "2026-01-31", "2025-12-31"]


def test_gfs_names_every_bucket_a_backup_is_kept_for() -> None:
    rule = Rule(strategy="gfs", keep_daily=2, keep_weekly=2, keep_monthly=1, keep_yearly=1, min_keep=1)
    decisions = judge(rule, daily(9))
    assert reason(decisions, "app-0") == (
        "kept because it is the newest of day 2026-03-31, week 2026-W14, month 2026-03 and year 2026"
    )
    assert reason(decisions, "app-2") == "kept because it is the newest of week 2026-W13"
    assert reason(decisions, "app-3") == (
        "goes because it is not the newest of any of the latest 2 days, 2 weeks, 1 month and 1 year that have a backup"
    )


def test_gfs_keeps_the_newest_of_several_on_one_day_in_utc_whatever_zone_they_are_written_in() -> None:
    east = datetime.fromisoformat("2026-03-30T00:30:00+02:00")
    before_midnight, after_midnight = taken(east, id="29th in UTC"), taken("2026-03-30 00:10", id="30th")
    rule = Rule(strategy="gfs", keep_daily=9, min_keep=1)
    decisions = judge(rule, [before_midnight, after_midnight, taken("2026-03-29 03:00", id="early on the 29th")])
    assert gone(decisions) == ["early on the 29th"]


def test_gfs_counts_only_days_that_have_a_backup() -> None:
    sundays = [taken(f"2026-03-{day:02d}", id=f"{day}") for day in (29, 22, 15, 8, 1)]
    assert gone(judge(Rule(strategy="gfs", keep_daily=4, min_keep=1), sundays)) == ["1"]


def test_new_year_lies_inside_an_iso_week_of_the_old_year() -> None:
    rule = Rule(strategy="gfs", keep_weekly=9, min_keep=1)
    turn = [taken(day, id=day) for day in ("2027-01-04", "2027-01-03", "2027-01-01", "2026-12-31", "2026-12-27")]
    decisions = judge(rule, turn, now=at("2027-01-05"))
    assert kept(decisions) == ["2027-01-04", "2027-01-03", "2026-12-27"]
    assert reason(decisions, "2027-01-03") == "kept because it is the newest of week 2026-W53"
    assert reason(decisions, "2027-01-04") == "kept because it is the newest of week 2027-W01"


def test_the_last_days_of_december_can_belong_to_the_first_week_of_the_new_year() -> None:
    rule = Rule(strategy="gfs", keep_weekly=9, keep_yearly=9, min_keep=1)
    turn = [taken(day, id=day) for day in ("2025-01-02", "2024-12-31", "2024-12-30", "2024-12-29")]
    decisions = judge(rule, turn, now=at("2025-01-03"))
    assert gone(decisions) == ["2024-12-30"]
    assert reason(decisions, "2025-01-02") == "kept because it is the newest of week 2025-W01 and year 2025"
    assert reason(decisions, "2024-12-31") == "kept because it is the newest of year 2024"


def test_hanoi_keeps_points_that_are_three_times_as_far_apart_each() -> None:
    decisions = judge(Rule(strategy="hanoi", min_keep=1), daily(200))
    assert kept(decisions) == ["app-0", "app-1", "app-4", "app-13", "app-40", "app-121", "app-199"]
    assert (
        reason(decisions, "app-0") == "kept because it is the newest of day 2026-03-31, where the spaced points begin"
    )
    assert reason(decisions, "app-13") == "kept because it is the spaced point 13 days before the newest backup"
    assert reason(decisions, "app-1").endswith(" 1 day before the newest backup")
    assert reason(decisions, "app-5") == "goes because the backups kept on both sides of it are close enough together"


def test_hanoi_keeps_both_sides_of_a_gap() -> None:
    gap = [backup for backup in daily(400) if not 10 <= (NOW - (backup.taken_at or NOW)).days < 300]
    assert kept(judge(Rule(strategy="hanoi", min_keep=1), gap)) == [
        "app-0",
        "app-1",
        "app-4",
        "app-9",
        "app-300",
        "app-399",
    ]


def test_hanoi_keeps_the_newest_of_several_on_one_day() -> None:
    rule = Rule(strategy="hanoi", min_keep=1)
    decisions = judge(rule, [taken(f"2026-03-31 0{hour}:00", id=f"{hour}") for hour in range(4)])
    assert kept(decisions) == ["3"]
    assert reason(decisions, "0") == "goes because it is not the newest of day 2026-03-31"


def test_hanoi_with_an_age_forgets_what_is_older() -> None:
    decisions = judge(Rule(strategy="hanoi", keep_days=100, min_keep=1), daily(200))
    assert kept(decisions) == ["app-0", "app-1", "app-4", "app-13", "app-40", "app-100"]
    assert reason(decisions, "app-101") == "goes because it is older than 100 days"
    assert kept(judge(Rule(strategy="hanoi", keep_days=1, min_keep=2), daily(9, newest=at("2020-01-09")))) == [
        "app-0",
        "app-1",
    ]


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        ({"strategy": "fifo"}, "The retention strategy 'fifo' is unknown.", "Choose one of: simple, gfs, hanoi."),
        (
            {"strategy": "simple"},
            "The retention strategy 'simple' has no number to go by.",
            "Give at least one of: keep_days, keep_count.",
        ),
        (
            {"strategy": "gfs", "keep_daily": 0},
            "The retention strategy 'gfs' has no number to go by.",
            "Give at least one of: keep_daily, keep_weekly, keep_monthly, keep_yearly.",
        ),
        (
            {"strategy": "gfs", "keep_daily": 7, "keep_days": 30},
            "keep_days has no effect in the retention strategy 'gfs'.",
            "Leave keep_days out; gfs reads keep_daily, keep_weekly, keep_monthly, keep_yearly and min_keep.",
        ),
        (
            {"strategy": "hanoi", "keep_count": 30},
            "keep_count has no effect in the retention strategy 'hanoi'.",
            "Leave keep_count out; hanoi reads keep_days and min_keep.",
        ),
        (
            {"strategy": "simple", "keep_days": 0},
            "keep_days of the retention rule is 0.",
            "Give a whole number from 1 to 36500.",
        ),
        (
            {"strategy": "gfs", "keep_daily": -1},
            "keep_daily of the retention rule is -1.",
            "Give a whole number from 0 to 36500.",
        ),
        (
            {"strategy": "simple", "keep_days": 3, "min_keep": 0},
            "min_keep of the retention rule is 0.",
            "Give a whole number from 1 to 36500.",
        ),
    ],
    ids=str,
)
def test_a_rule_that_cannot_be_meant_is_refused(settings: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(RetentionError) as refused:
        Rule(**settings)
    assert (str(refused.value), refused.value.message, refused.value.hint) == (message, message, hint)


@pytest.mark.parametrize("value", ["30", 30.0, True, 36_501, 10**12])
@pytest.mark.parametrize("name", ["keep_days", "keep_count", "min_keep"])
def test_a_number_that_is_no_sensible_number_is_refused(name: str, value: object) -> None:
    with pytest.raises(RetentionError, match=f"{name} of the retention rule is "):
        Rule(**{"strategy": "simple", "keep_days": 30, name: value})  # type: ignore[arg-type]


def test_the_largest_numbers_stay_inside_the_calendar() -> None:
    for strategy, names in SETTINGS_OF.items():
        rule = Rule(strategy=strategy, **dict.fromkeys(names, 36_500))
        assert "app-0" in kept(judge(rule, daily(3)))


def test_a_rule_does_not_change_after_it_was_checked() -> None:
    with pytest.raises(FrozenInstanceError):
        Rule(strategy="hanoi").min_keep = 0  # type: ignore[misc]
