"""What a retention run is asked and answers: instances, dates, bytes, and questions that it refuses."""

from datetime import timedelta, timezone

import pytest

from backups.service.retention.rules import RetentionError, Rule, agreed_date, decide, reclaimed_bytes
from tests.support.retention_cases import (
    EVERY_STRATEGY,
    NOW,
    ONE_DAY,
    at,
    daily,
    gone,
    judge,
    taken,
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
