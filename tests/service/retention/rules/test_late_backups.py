"""Nothing is pruned while an instance has no backup as new as its schedules allow."""

from datetime import timedelta

import pytest

from backups.service.retention.rules import Rule
from tests.support.retention_cases import (
    EVERY_STRATEGY,
    NOW,
    ONE_DAY,
    ONE_OF_EACH,
    SPACED,
    daily,
    gone,
    judge,
    reason,
    taken,
)


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


def test_backups_that_lack_data_rotate_and_are_no_reason_to_hold_everything() -> None:
    nights = [taken(NOW - timedelta(days=age), id=f"{age}", dropped=True) for age in range(9)]
    rule = Rule(strategy="simple", keep_count=2, min_keep=1)
    assert gone(judge(rule, nights, promised=timedelta(days=2))) == [f"{age}" for age in range(2, 9)]
