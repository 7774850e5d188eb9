"""Which amounts are off the trend of the backups before, over simulated histories of years; no row is read."""

import math
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backups.service.drops.holdings import Drop, Holding, Kind
from backups.service.drops.robust import limits_of
from backups.service.drops.trend import LEAST_WINDOW, Past, Thresholds, deviations, recurs

USUAL = Thresholds(90, 10)
MB = 1 << 20
Series = Iterable[int]


def table(rows: int, others: int = 5000) -> Holding:
    """A database of two tables, `events` with `rows`."""
    return Holding(rows + others, {"events": rows, "users": others}, database_bytes=8192 + 100 * (rows + others))


def tree(files: int, size: int = 50_000) -> Holding:
    return Holding(files=files, file_bytes=files * size, bytes=files * (size + 512))


class Simulation:
    """Backs up one component again and again; `confirm` is what a person does about each deviation."""

    def __init__(self, confirm: bool = False, thresholds: Thresholds = USUAL) -> None:
        self.confirm, self.thresholds = confirm, thresholds
        self.states: list[Past] = []

    def back_up(self, held: Holding) -> list[Drop]:
        """Return the deviations of the next backup that a person is asked about."""
        found = deviations({"db": self.states}, {"db": held}, self.thresholds)
        asked = [drop for drop in found if not recurs(drop, self.states)]
        if not asked or self.confirm:
            self.states = [Past(held, tuple(found), bool(asked)), *self.states][:20]
        return asked

    def alarms(self, series: Iterable[Holding]) -> list[int]:
        """Return at which backups a person is asked."""
        return [number for number, held in enumerate(series) if self.back_up(held)]


def noisy(values: Series, share: float = 0.2, seed: int = 1) -> Iterator[int]:
    chance = random.Random(seed)
    return (max(0, round(value * chance.uniform(1 - share, 1 + share))) for value in values)


DAYS = range(1000)
NORMAL: dict[str, Series] = {
    "steady": [4000 for _ in DAYS],
    "steady with noise": noisy([4000 for _ in DAYS]),
    "small numbers": noisy([12 for _ in DAYS], 0.6),
    "weekly": [200 if day % 7 in (5, 6) else 1500 for day in DAYS],
    "weekly with noise": noisy([300 if day % 7 in (5, 6) else 1500 for day in DAYS]),
    "growing": [50 * day for day in DAYS],
    "growing fast": [round(10 * 1.01**day) for day in DAYS],
    "young": [day**2 for day in DAYS],
    "seasons": [round(5000 + 4500 * math.sin(day / 58)) for day in DAYS],
    "pruned each night": noisy([30_000 for _ in DAYS], 0.3),
    "pruned each week": [1000 * (1 + day % 7) for day in DAYS],
    "doubled by an import": [1000 * 2 ** (day // 500) for day in DAYS],
    "declining": [round(100_000 * 0.995**day) for day in DAYS],
}


@pytest.mark.parametrize("series", NORMAL.values(), ids=list(NORMAL))
def test_years_of_what_is_usual_ask_nobody(series: Series) -> None:
    def both(amount: int) -> Holding:
        found, files = table(amount), tree(amount)
        return replace(found, files=files.files, file_bytes=files.file_bytes, bytes=files.bytes)

    assert Simulation().alarms(map(both, series)) == []


LOSSES: dict[str, tuple[Holding, Holding, Drop]] = {
    "a table lost most of its rows": (table(3000), table(290), Drop("db", "events", "rows", 3000, 290)),
    "a table is empty": (table(3000), table(0), Drop("db", "events", "rows", 3000, 0)),
    "a component shrank to nothing": (tree(40), tree(0), Drop("db", "", "files", 40, 0)),
    "a tree lost its bytes": (tree(40), tree(40, 0), Drop("db", "", "bytes", 2_000_000, 0)),
    "a database is ten times as large": (
        replace(table(3000), database_bytes=2 * MB),
        replace(table(3000), database_bytes=20 * MB),
        Drop("db", "", "bytes", 2 * MB, 20 * MB, Kind.GROWN, 20 * MB, 20),
    ),
    "a table has ten times the rows": (
        replace(table(3000), database_bytes=2 * MB),
        replace(table(75_000), database_bytes=3 * MB),
        Drop("db", "", "rows", 8000, 80_000, Kind.GROWN, 80_000, 20),
    ),
    "a tree has ten times the files": (
        tree(1000, 100),
        tree(10_000, 10),
        Drop("db", "", "files", 1000, 10_000, Kind.GROWN, 10_000, 20),
    ),
}


@pytest.mark.parametrize(("usual", "now", "drop"), LOSSES.values(), ids=list(LOSSES))
def test_each_loss_and_growth_is_found_at_its_first_backup_and_until_it_ends(
    usual: Holding, now: Holding, drop: Drop
) -> None:
    simulation = Simulation()
    assert simulation.alarms([usual] * 30) == []
    # a deviation that lasts does not become the new normal by itself
    assert [simulation.back_up(now) for _ in range(40)] == [[drop]] * 40
    assert simulation.back_up(usual) == []


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("of", [table, tree])
def test_a_loss_is_found_in_noise_of_two_fifths(seed: int, of: Callable[[int], Holding]) -> None:
    simulation = Simulation()
    assert simulation.alarms(map(of, noisy([5000] * 200, 0.4, seed))) == []
    assert simulation.back_up(of(250))


def test_what_was_confirmed_is_the_state_that_later_backups_are_compared_with() -> None:
    simulation = Simulation(confirm=True)
    history = [table(3000)] * 30 + [table(200)] * 30 + [table(3000)] * 30
    # growth of a table alone is none
    assert simulation.alarms(history) == [30]


def test_a_slow_decline_is_off_the_trend_when_most_is_gone() -> None:
    simulation = Simulation()
    assert simulation.alarms([table(10_000)] * 20) == []
    decline = [table(round(10_000 * 0.75**night)) for night in range(1, 30)]
    assert simulation.alarms(decline[:8]) == []
    assert simulation.back_up(decline[8]) == [Drop("db", "events", "rows", 10_000, 751, Kind.SHRUNK, 1000, 20)]
    assert len(simulation.alarms(decline[9:])) == 20


def test_with_a_short_history_only_the_backup_before_is_compared_with() -> None:
    simulation = Simulation()
    decline = [table(round(10_000 * 0.5**night)) for night in range(LEAST_WINDOW)]
    assert simulation.alarms([*decline, replace(table(20), database_bytes=900 * MB)][:LEAST_WINDOW]) == []
    assert Simulation().alarms([*[table(3000)] * (LEAST_WINDOW - 1), replace(table(9), database_bytes=9)]) == [9]


def test_a_weekly_loss_is_confirmed_twice_and_an_empty_table_each_time() -> None:
    weeks = [40 if day % 7 in (5, 6) else 2000 for day in range(700)]
    assert Simulation(confirm=True).alarms(map(table, noisy(weeks))) == [5, 12]
    # what nobody confirmed is not usual
    assert len(Simulation().alarms(map(table, weeks))) == 200
    emptied = [0 if day % 7 in (5, 6) else 2000 for day in range(70)]
    assert Simulation(confirm=True).alarms(map(table, emptied)) == list(range(5, 70, 7))
    # and what is far less than usual at that day is found
    simulation = Simulation(confirm=True)
    simulation.alarms(map(table, weeks[:40]))
    assert simulation.back_up(table(3))


def test_growth_counts_from_the_factor_of_the_setting_on_and_not_at_all_without_one() -> None:
    history, now = [table(30_000)] * 20, table(110_000)
    for growth, found in ((10, []), (3, ["rows"]), (0, [])):
        simulation = Simulation(thresholds=Thresholds(90, growth))
        simulation.alarms(history)
        assert [drop.measure for drop in simulation.back_up(now)] == found


@pytest.mark.parametrize(
    ("usual", "now"),
    [
        (table(30), table(5000)),
        (replace(table(0, 0), database_bytes=4 * MB), table(900_000, 0)),
        (tree(3), tree(90)),
        (tree(10, 100), tree(999, 1)),
    ],
)
def test_a_service_that_is_small_or_empty_may_grow(usual: Holding, now: Holding) -> None:
    assert Simulation().alarms([*[usual] * 30, now]) == []


def test_a_database_that_could_not_be_counted_and_a_tree_with_another_place_left_out_are_not_compared_with() -> None:
    uncounted = replace(table(3000), uncounted=True)
    assert Simulation().alarms([*[uncounted] * 30, table(3000), uncounted]) == []
    left = replace(tree(900), left_out={"archives"})
    assert Simulation().alarms([*[tree(90_000)] * 30, left]) == []


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 10**12), min_size=10, max_size=20), st.integers(1, 100), st.integers(2, 50))
def test_no_amount_that_was_there_is_off_the_limits(values: list[int], percent: int, factor: int) -> None:
    limits = limits_of(values, percent=percent, factor=factor)
    assert limits.low < min(values) <= limits.median <= max(values) < limits.high
    assert limits.low <= limits.median * (100 - percent) // 100
    assert limits.high >= limits.median * factor


def test_the_limits_are_those_of_the_median_and_widen_with_the_spread() -> None:
    assert limits_of([1000] * 20, percent=90, factor=10).low == 100
    assert limits_of([1000] * 20, percent=90, factor=10).high == 10_000
    assert limits_of([1000] * 20, percent=100, factor=10).low == 0
    # by hand: median 100, deviations of the logarithms 0, 0.3010 and 0.6021, scaled by 1.4826 and 3.5
    spread = 10 ** (3.5 * 1.4826 * math.log10(2))
    found = limits_of([25, 50, 100, 200, 400], percent=90, factor=10)
    assert (found.median, found.low, found.high) == (100, math.floor(100 / spread), math.ceil(100 * spread))
    # what was seen before is no outlier
    assert limits_of([*[1000] * 15, *[40] * 5], percent=90, factor=10).low == 39
