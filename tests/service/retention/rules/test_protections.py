"""What no rule can delete."""

from datetime import datetime, timedelta, timezone

import pytest

from backups.service.retention.rules import Backup, Rule
from tests.support.retention_cases import (
    EVERY_STRATEGY,
    NOW,
    ONE_DAY,
    at,
    daily,
    gone,
    judge,
    kept,
    reason,
    taken,
)


def long_ago(**facts: object) -> Backup:
    """A day of which another, newer backup exists: every strategy would let it go."""
    return taken("2026-02-10 01:00", **facts)


@EVERY_STRATEGY
def test_a_backup_without_protection_goes(rule: Rule) -> None:
    decisions = judge(rule, [*daily(90), long_ago(id="plain")])
    assert "plain" in gone(decisions)
    assert reason(decisions, "plain").startswith("goes because ")


@EVERY_STRATEGY
@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"pinned": True, "pin_reason": "before the migration"}, "kept because pinned: before the migration"),
        ({"pinned": True}, "kept because pinned"),
        ({"in_use": True}, "kept because it is in use"),
        (
            {"kind": "safety", "safety_of_unacknowledged_restore": True},
            "kept because it is the safety backup of a restore that is not acknowledged",
        ),
        ({"completed": False}, "kept because it did not complete: there is no archive to delete"),
    ],
    ids=["pinned with a reason", "pinned", "in use", "safety of an unacknowledged restore", "failed"],
)
def test_a_protected_backup_stays_and_says_why(rule: Rule, facts: dict[str, object], why: str) -> None:
    assert reason(judge(rule, [*daily(90), long_ago(id="special", **facts)]), "special") == why


@EVERY_STRATEGY
@pytest.mark.parametrize(
    "moment",
    [
        None,
        datetime(2026, 2, 10, 1, 0),  # noqa: DTZ001 (the very thing under test)
        at("1970-01-01 00:04"),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))),
    ],
    ids=["missing", "without a time zone", "a clock without a battery", "the end of the calendar"],
)
def test_a_backup_whose_date_is_unknown_stays(rule: Rule, moment: datetime | None) -> None:
    decisions = judge(rule, [*daily(90), taken(moment, id="undated")])
    assert reason(decisions, "undated") == "kept because its date is unknown"


@EVERY_STRATEGY
def test_a_future_dated_archive_stays_and_takes_nobodys_place(rule: Rule) -> None:
    without = judge(rule, daily(90))
    decisions = judge(rule, [*daily(90), taken("2026-03-31 23:00", id="later today"), taken("2031-01-01", id="2031")])
    assert reason(decisions, "2031") == "kept because its date is in the future"
    assert kept(decisions) == [*kept(without), "later today", "2031"]


@EVERY_STRATEGY
def test_failed_and_undated_backups_take_nobodys_place(rule: Rule) -> None:
    others = [taken("2026-03-31 11:59", completed=False) for _ in range(5)] + [taken(None, id="undated")]
    assert gone(judge(rule, [*daily(90), *others])) == gone(judge(rule, daily(90)))


@EVERY_STRATEGY
def test_three_good_backups_stay_unless_the_rule_says_otherwise(rule: Rule) -> None:
    default = Rule(strategy="simple", keep_days=1)
    years_ago = daily(5, newest=NOW - timedelta(days=3000))
    future = taken("2030-01-01", id="future")
    decisions = judge(default, [future, *years_ago])
    assert kept(decisions) == ["future", "app-0", "app-1", "app-2"]
    assert reason(decisions, "app-2") == "kept because fewer than 3 good backups would remain"
    assert kept(judge(rule, years_ago))[0] == "app-0"


def test_failed_backups_do_not_count_as_good_ones() -> None:
    failed = [taken(NOW, id=f"failed-{number}", completed=False) for number in range(9)]
    assert gone(judge(Rule(strategy="simple", keep_count=1), [*failed, *daily(5)])) == ["app-3", "app-4"]


@EVERY_STRATEGY
def test_the_newest_proven_backup_stays_though_newer_ones_are_not_proven(rule: Rule) -> None:
    proven = [long_ago(id="proven", proven=True), taken("2026-02-09 01:00", id="proven before", proven=True)]
    decisions = judge(rule, [*daily(90), *proven])
    assert reason(decisions, "proven") == "kept because it is the newest proven backup"
    assert "proven before" in gone(decisions)


def test_a_future_dated_archive_is_not_the_newest_proven_one() -> None:
    decisions = judge(ONE_DAY, [*daily(9), taken("2030-01-01", proven=True), long_ago(id="proven", proven=True)])
    assert reason(decisions, "proven") == "kept because it is the newest proven backup"


@EVERY_STRATEGY
@pytest.mark.parametrize("facts", [{"adopted": True}, {"kind": "safety"}, {"dropped": True}], ids=str)
def test_a_backdated_or_safety_archive_pushes_no_other_backup_out(rule: Rule, facts: dict[str, object]) -> None:
    others = [taken(NOW - timedelta(days=age) + timedelta(hours=6), **facts) for age in range(1, 90)]
    alone = kept(judge(rule, daily(90)))
    decisions = judge(rule, [*daily(90), *others])
    assert set(alone) <= set(kept(decisions))
    assert set(gone(decisions)) & {other.id for other in others}


@EVERY_STRATEGY
def test_what_is_from_before_a_drop_stays_whatever_the_rule_says(rule: Rule) -> None:
    rows = [taken(NOW - timedelta(days=age), id=f"{age}", before_drop="a drop of data") for age in range(1, 90)]
    decisions = judge(rule, [taken(NOW, id="dropped", dropped=True), *rows])
    assert gone(decisions) == []
    assert "it is from before a drop" in reason(decisions, "89")


def test_a_backup_that_lacks_data_pushes_no_safety_or_adopted_one_out() -> None:
    lacking = taken(NOW, id="lacking", dropped=True, adopted=True)
    adopted = taken(NOW - timedelta(hours=25), id="adopted", adopted=True)
    own = taken(NOW - timedelta(hours=96), id="own")
    assert gone(judge(Rule(strategy="simple", keep_days=1, min_keep=1), [lacking, adopted, own])) == []


def test_an_adopted_backup_pushes_no_own_one_out_that_lacks_data() -> None:
    adopted = taken(NOW, id="adopted", adopted=True)
    own = taken(NOW - timedelta(hours=25), id="own", dropped=True)
    assert gone(judge(Rule(strategy="simple", keep_days=1, min_keep=1), [adopted, own])) == []


def test_a_backup_that_an_adopted_one_would_have_displaced_says_so() -> None:
    own, adopted = taken("2026-03-30 02:00", id="own"), taken("2026-03-30 23:59", id="adopted", adopted=True)
    decisions = judge(Rule(strategy="gfs", keep_daily=7, min_keep=1), [*daily(1), own, adopted])
    assert reason(decisions, adopted) == "kept because it is the newest of day 2026-03-30"
    assert reason(decisions, own) == (
        "kept because it is the newest of day 2026-03-30, safety and adopted backups and those with a drop aside"
    )
