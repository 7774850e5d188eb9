"""What no rule can delete."""

from datetime import datetime, timedelta, timezone

import pytest

from backups.service.retention.rules import Backup, RetentionError, Rule, agreed_date, decide, reclaimed_bytes
from tests.support.retention_cases import NOW, at, daily, gone, judge, kept, reason, taken

ONE_DAY = Rule(strategy="simple", keep_days=1, min_keep=1)
ONE_OF_EACH = Rule(strategy="gfs", keep_daily=1, keep_weekly=1, keep_monthly=1, keep_yearly=1, min_keep=1)
SPACED = Rule(strategy="hanoi", min_keep=1)
EVERY_STRATEGY = pytest.mark.parametrize("rule", [ONE_DAY, ONE_OF_EACH, SPACED], ids=lambda rule: rule.strategy)


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
def test_nothing_is_pruned_while_the_newest_good_backup_is_late(rule: Rule) -> None:
    backups = daily(90, newest=NOW - timedelta(days=4, hours=7))
    decisions = judge(rule, backups, promised=timedelta(days=1))
    assert gone(decisions) == []
    why = "kept because the newest good backup is 3 days older than its schedules allow: nothing is pruned"
    assert reason(decisions, "app-50") == why


@EVERY_STRATEGY
def test_once_backups_stop_nothing_is_deleted_for_ever(rule: Rule) -> None:
    backups = daily(90)
    for days_later in (2, 30, 365, 3650):
        assert gone(judge(rule, backups, now=NOW + timedelta(days=days_later), promised=timedelta(days=1))) == []


def test_after_a_silence_or_a_leap_of_the_clock_nothing_goes_until_enough_new_ones_are_there() -> None:
    rule, promised = Rule(strategy="simple", keep_days=30), timedelta(hours=25)
    old = daily(30, newest=NOW - timedelta(days=3650))
    new = [taken(NOW - timedelta(days=age), id=f"new-{age}") for age in range(3)]
    for number, words in ((1, "1 good backup"), (2, "2 good backups")):
        held = judge(rule, [*new[:number], *old], promised=promised)
        why = f"kept because only {words} of 3 came since backups began again: nothing is pruned"
        assert (gone(held), reason(held, "app-29")) == ([], why)
    assert gone(judge(rule, [*new, *old], promised=promised)) == [backup.id for backup in old]


@pytest.mark.parametrize("rule", [ONE_OF_EACH, SPACED], ids=lambda rule: rule.strategy)
def test_without_a_schedule_and_without_an_age_limit_nothing_erodes_either(rule: Rule) -> None:
    survivors = [decision.backup for decision in judge(rule, daily(90)) if decision.keep]
    assert gone(judge(rule, survivors, now=NOW + timedelta(days=3650))) == []


def test_a_promise_is_kept_to_the_minute() -> None:
    promised = timedelta(hours=24)
    on_time = daily(9, newest=NOW - promised)
    assert len(gone(judge(ONE_DAY, on_time, promised=promised))) == 8
    late = judge(ONE_DAY, on_time, now=NOW + timedelta(seconds=1), promised=promised)
    assert gone(late) == []
    assert "is 1 s older than" in reason(late, "app-8")
    late = judge(ONE_DAY, on_time, now=NOW + timedelta(hours=5, minutes=59), promised=promised)
    assert "is 5 h older than" in reason(late, "app-8")
    late = judge(ONE_DAY, on_time, now=NOW + timedelta(hours=1), promised=promised)
    assert "is 1 h older than" in reason(late, "app-8")


@pytest.mark.parametrize("facts", [{"completed": False}, {"kind": "safety"}, {"adopted": True}], ids=str)
def test_only_a_good_backup_of_its_own_keeps_the_promise_of_an_instance(facts: dict[str, object]) -> None:
    stale = [*daily(90, newest=NOW - timedelta(days=9)), taken(NOW, id="other", **facts)]
    assert gone(judge(SPACED, stale, promised=timedelta(days=1))) == []


def test_an_instance_without_any_backup_of_its_own_is_not_pruned_while_one_is_promised() -> None:
    rebuilt = [taken(NOW - timedelta(days=age), id=f"{age}", adopted=True) for age in range(50)]
    decisions = judge(ONE_DAY, rebuilt, promised=timedelta(days=1))
    assert gone(decisions) == []
    why = "kept because no good backup counts for its schedules: nothing is pruned"
    assert reason(decisions, "49") == why


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
    rows = [taken(NOW - timedelta(days=age), id=f"{age}", before_drop=True) for age in range(1, 90)]
    decisions = judge(rule, [taken(NOW, id="dropped", dropped=True), *rows])
    assert gone(decisions) == []
    assert "it is from before a drop" in reason(decisions, "89")


def test_backups_that_lack_data_rotate_and_are_no_reason_to_hold_everything() -> None:
    nights = [taken(NOW - timedelta(days=age), id=f"{age}", dropped=True) for age in range(9)]
    rule = Rule(strategy="simple", keep_count=2, min_keep=1)
    assert gone(judge(rule, nights, promised=timedelta(days=2))) == [f"{age}" for age in range(2, 9)]


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


@EVERY_STRATEGY
def test_an_instance_whose_name_begins_like_another_is_decided_by_itself(rule: Rule) -> None:
    app, app2 = daily(40, instance="app"), daily(40, newest=NOW - timedelta(days=200), instance="app2")
    promised = {"app": timedelta(days=2), "app2": timedelta(days=2)}
    together = decide(rule, [*app2, *app], NOW, promised)
    assert gone(together) == gone(judge(rule, app))
    assert [decision.backup.instance for decision in together] == ["app2"] * 40 + ["app"] * 40


def test_the_bytes_of_what_goes_are_added_up() -> None:
    decisions = judge(ONE_DAY, daily(10))
    assert gone(decisions) == [f"app-{age}" for age in range(2, 10)]
    assert reclaimed_bytes(decisions) == 80


def test_a_destination_without_backups_needs_no_decision() -> None:
    assert decide(ONE_DAY, [], NOW, {}) == []


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(RetentionError, match="The present moment of a retention run has no time zone") as refused:
        judge(ONE_DAY, daily(3), now=NOW.replace(tzinfo=None))
    assert refused.value.hint == "Pass an aware datetime."


def test_the_same_id_twice_is_refused_even_in_two_instances() -> None:
    with pytest.raises(RetentionError, match="Backup x occurs twice in a retention run"):
        judge(ONE_DAY, [taken(NOW, id="x"), taken(NOW, id="x", instance="other")])


def test_an_instance_of_which_nobody_says_what_is_promised_is_refused() -> None:
    with pytest.raises(RetentionError, match="newest backup of instance 'app2'") as refused:
        decide(ONE_DAY, daily(3, instance="app2"), NOW, {"app": None})
    assert refused.value.hint == "Pass None for an instance that has no schedule."


def test_a_date_is_agreed_on_when_row_manifest_and_name_say_the_same() -> None:
    row, name = at("2026-03-30 02:00"), at("2026-03-30 02:00").astimezone(timezone(timedelta(hours=2)))
    assert agreed_date([row, None, name]) == row
    assert agreed_date([row, row + timedelta(hours=1)]) == row


def test_a_backdated_archive_has_no_date_to_agree_on() -> None:
    row = at("2026-03-30 02:00")
    assert agreed_date([row, at("2020-03-30 02:00")]) is None
    assert agreed_date([row, row.replace(tzinfo=None)]) is None
    assert agreed_date([None, None]) is None
    assert agreed_date([row, row + timedelta(seconds=5)], tolerance=timedelta(seconds=4)) is None
