"""What holds for every rule, every set of backups and every moment."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.service.retention.rules import Backup, Decision, Rule, decide
from backups.service.retention.rules.hanoi import spaced
from tests.support import retention_oracle as reference
from tests.support.retention_cases import NOW, gone, kept
from tests.support.soak import examples

INSTANCES = ("app", "app2")

pytestmark = pytest.mark.soak
quickly = examples(60)
numbers = st.integers(1, 6)
min_keeps = st.integers(1, 4)
rules = st.one_of(
    st.builds(Rule, strategy=st.just("simple"), keep_days=st.integers(1, 60), min_keep=min_keeps),
    st.builds(Rule, strategy=st.just("simple"), keep_count=numbers, min_keep=min_keeps),
    st.builds(Rule, strategy=st.just("simple"), keep_days=numbers, keep_count=numbers, min_keep=min_keeps),
    st.builds(
        Rule,
        strategy=st.just("gfs"),
        keep_daily=numbers,
        keep_weekly=st.integers(0, 4),
        keep_monthly=st.integers(0, 4),
        keep_yearly=st.integers(0, 2),
        min_keep=min_keeps,
    ),
    st.builds(Rule, strategy=st.just("hanoi"), keep_days=st.none() | st.integers(1, 400), min_keep=min_keeps),
)
# hours make equal moments and several on one day likely; a third of a year reaches over buckets of every size
past = st.integers(0, 24 * 120).map(lambda hours: NOW - timedelta(hours=hours))
moments = st.one_of(past, past, past, st.none(), st.integers(1, 900).map(lambda hours: NOW + timedelta(hours=hours)))
rarely = st.integers(0, 7).map(lambda number: number == 0)
rows = st.builds(
    Backup,
    id=st.uuids().map(str),
    instance=st.sampled_from(INSTANCES),
    taken_at=moments,
    completed=rarely.map(lambda failed: not failed),
    proven=rarely,
    pinned=rarely,
    in_use=rarely,
    kind=st.sampled_from(["manual", "scheduled", "scheduled", "safety"]),
    safety_of_unacknowledged_restore=rarely,
    adopted=rarely,
    dropped=rarely,
    before_drop=rarely,
)
catalogues = st.lists(rows, max_size=40, unique_by=lambda row: row.id)
promises = st.fixed_dictionaries(
    dict.fromkeys(INSTANCES, st.none() | st.integers(1, 24 * 60).map(lambda hours: timedelta(hours=hours)))
)


def survivors(decisions: Sequence[Decision]) -> list[Backup]:
    return [decision.backup for decision in decisions if decision.keep]


def good_ones(catalogue: Sequence[Backup], instance: str) -> list[Backup]:
    """Completed, of that instance, with a date that is not in the future; the newest first."""
    good = [row for row in catalogue if row.instance == instance and row.completed and row.taken_at]
    return sorted((row for row in good if moment_of(row) <= NOW), key=moment_of, reverse=True)


def moment_of(row: Backup) -> datetime:
    assert row.taken_at is not None
    return row.taken_at


@quickly
@given(rules, catalogues, promises)
def test_every_backup_has_one_decision_with_a_reason_in_the_order_given(
    rule: Rule, catalogue: list[Backup], promised: dict[str, timedelta | None]
) -> None:
    decisions = decide(rule, catalogue, NOW, promised)
    assert [decision.backup for decision in decisions] == catalogue
    for decision in decisions:
        assert decision.reason.startswith("kept because " if decision.keep else "goes because ")
        assert len(decision.reason) > len("kept because it")


@quickly
@given(rules, catalogues, promises)
def test_deciding_again_on_what_was_kept_drops_nothing_more(
    rule: Rule, catalogue: list[Backup], promised: dict[str, timedelta | None]
) -> None:
    once = survivors(decide(rule, catalogue, NOW, promised))
    assert gone(decide(rule, once, NOW, promised)) == []


@quickly
@given(rules, catalogues, promises)
def test_what_is_protected_stays(rule: Rule, catalogue: list[Backup], promised: dict[str, timedelta | None]) -> None:
    for decision in decide(rule, catalogue, NOW, promised):
        row = decision.backup
        if row.pinned or row.in_use or row.safety_of_unacknowledged_restore or row.before_drop or not row.completed:
            assert decision.keep
        if row.taken_at is None or row.taken_at > NOW:
            assert decision.keep


@quickly
@given(rules, catalogues, promises)
def test_enough_good_backups_and_a_proven_one_stay_in_each_instance(
    rule: Rule, catalogue: list[Backup], promised: dict[str, timedelta | None]
) -> None:
    stays = set(kept(decide(rule, catalogue, NOW, promised)))
    for instance in INSTANCES:
        good = good_ones(catalogue, instance)
        for those in (good, [row for row in good if row.kind != "safety" and not row.adopted and not row.dropped]):
            floor = those[: rule.min_keep]
            assert {moment_of(row) for row in floor} <= {moment_of(row) for row in those if row.id in stays}
            assert len([row for row in those if row.id in stays]) >= len(floor)
            proven = [moment_of(row) for row in those if row.proven]
            assert not proven or max(proven) in {moment_of(row) for row in those if row.proven and row.id in stays}


@quickly
@given(rules, catalogues, st.integers(1, 24 * 60))
def test_nothing_goes_in_an_instance_that_is_late(rule: Rule, catalogue: list[Backup], hours: int) -> None:
    promise = timedelta(hours=hours)
    goes = set(gone(decide(rule, catalogue, NOW, dict.fromkeys(INSTANCES, promise))))
    free = set(gone(decide(rule, catalogue, NOW, dict.fromkeys(INSTANCES))))
    for instance in INSTANCES:
        own = {row.id for row in catalogue if row.instance == instance}
        made_here = [row for row in good_ones(catalogue, instance) if row.kind != "safety" and not row.adopted]
        fresh = bool(made_here) and NOW - moment_of(made_here[0]) <= promise
        assert goes & own == (free & own if fresh else set())


@quickly
@given(rules, catalogues, promises)
def test_instances_do_not_touch_each_other(
    rule: Rule, catalogue: list[Backup], promised: dict[str, timedelta | None]
) -> None:
    together = {decision.backup.id: decision for decision in decide(rule, catalogue, NOW, promised)}
    for instance in INSTANCES:
        own = [row for row in catalogue if row.instance == instance]
        assert decide(rule, own, NOW, promised) == [together[row.id] for row in own]


@quickly
@given(rules, catalogues, promises, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(
    rule: Rule, catalogue: list[Backup], promised: dict[str, timedelta | None], random: Random
) -> None:
    shuffled = list(catalogue)
    random.shuffle(shuffled)
    assert sorted(kept(decide(rule, shuffled, NOW, promised))) == sorted(kept(decide(rule, catalogue, NOW, promised)))


@quickly
@given(rules, catalogues, promises)
def test_failed_undated_and_future_backups_change_nothing_for_the_others(
    rule: Rule, catalogue: list[Backup], promised: dict[str, timedelta | None]
) -> None:
    countable = [row for row in catalogue if row.completed and row.taken_at and row.taken_at <= NOW]
    assert gone(decide(rule, catalogue, NOW, promised)) == gone(decide(rule, countable, NOW, promised))


@quickly
@given(rules, catalogues, promises)
def test_safety_and_adopted_backups_push_no_other_one_out(
    rule: Rule, catalogue: list[Backup], promised: dict[str, timedelta | None]
) -> None:
    made_here = [row for row in catalogue if row.kind != "safety" and not row.adopted]
    elsewhere = {row.id for row in catalogue if row.kind == "safety" or row.adopted}
    with_all = set(gone(decide(rule, catalogue, NOW, promised))) - elsewhere
    assert with_all <= set(gone(decide(rule, made_here, NOW, promised)))


@quickly
@given(rules, catalogues)
def test_backups_that_lack_data_push_no_other_one_out(rule: Rule, catalogue: list[Backup]) -> None:
    # without promises: that they come in time lets others age, which is no replacement
    promised = dict.fromkeys(INSTANCES)
    whole = [row for row in catalogue if not row.dropped]
    dropped = {row.id for row in catalogue if row.dropped}
    assert set(gone(decide(rule, catalogue, NOW, promised))) - dropped <= set(gone(decide(rule, whole, NOW, promised)))


@quickly
@given(rules, catalogues, promises)
def test_a_pin_saves_its_backup_and_costs_no_other(
    rule: Rule, catalogue: list[Backup], promised: dict[str, timedelta | None]
) -> None:
    free = [replace(row, pinned=False) for row in catalogue]
    goes = gone(decide(rule, free, NOW, promised))
    pinned = [replace(row, pinned=row.id in goes[:1]) for row in free]
    assert gone(decide(rule, pinned, NOW, promised)) == goes[1:]


@quickly
@given(st.sets(st.integers(0, 80), min_size=1, max_size=9))
def test_the_spaced_points_are_the_fewest_that_leave_no_step_out_of_reach(days: set[int]) -> None:
    ages = sorted(age - min(days) for age in days)
    today = date(2026, 3, 31)
    points = spaced([today - timedelta(days=age) for age in ages])
    assert tuple((today - point).days for point in points) == reference.sparsest(ages)
