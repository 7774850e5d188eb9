"""Two years of backups, pruned after each of them, and what must be left by the independent statement of every rule."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from math import log
from random import Random

from backups.service.retention.rules import SETTINGS_OF, Backup, Rule
from tests.support import retention_oracle as reference
from tests.support.retention_cases import at, judge, taken

START = at("2025-12-20 02:00")  # reaches over 2026, which has 53 weeks
TWO_YEARS = 730
Expectation = Callable[[Sequence[datetime], datetime], set[datetime]]


@dataclass
class Destination:
    """One instance at one destination: what was ever made, and what pruning left of it."""

    rule: Rule
    promised: timedelta | None = None
    moments: list[datetime] = field(default_factory=list)
    proven: list[datetime] = field(default_factory=list)
    present: list[Backup] = field(default_factory=list)

    def back_up(self, now: datetime, *, proven: bool = False) -> None:
        self.moments.append(now)
        self.proven += [now] if proven else []
        self.present.append(taken(now, id=f"{len(self.moments)}", proven=proven))
        self.prune(now)

    def prune(self, now: datetime) -> int:
        decisions = judge(self.rule, self.present, now=now, promised=self.promised)
        self.present = [decision.backup for decision in decisions if decision.keep]
        return len(decisions) - len(self.present)

    def held(self) -> set[datetime]:
        return {moment for backup in self.present if (moment := backup.taken_at)}

    def days_before_the_newest(self) -> list[int]:
        newest = max(self.held()).date()
        return sorted({(newest - moment.date()).days for moment in self.held()})


def numbers_of(rule: Rule) -> str:
    numbers = {name: getattr(rule, name) for name in SETTINGS_OF[rule.strategy]}
    return " ".join([rule.strategy, *(f"{name}={value}" for name, value in numbers.items() if value)])


def once_a_day(_: Random) -> list[timedelta]:
    return [timedelta(0)]


def several_a_day(random: Random) -> list[timedelta]:
    return [timedelta(minutes=minute) for minute in sorted(random.sample(range(1320), random.randint(2, 3)))]


def with_gaps(random: Random) -> list[timedelta]:
    return several_a_day(random)[: random.choice([0, 0, 1, 1, 2])]


def once_a_week(random: Random) -> list[timedelta]:
    return [timedelta(minutes=random.randrange(600))] if random.randrange(7) == 0 else []


PATTERNS = [once_a_day, several_a_day, with_gaps, once_a_week]
Pattern = Callable[[Random], list[timedelta]]


def two_years(pattern: Pattern, seed: int = 20260331) -> Iterator[datetime]:
    random = Random(seed)
    for day in range(TWO_YEARS):
        for moment in pattern(random):
            yield START + timedelta(days=day) + moment


def floors(destination: Destination) -> set[datetime]:
    """The three newest ones and the newest proven one."""
    return set(destination.moments[-3:]) | set(destination.proven[-1:])


SIMPLE_RULES = [(30, None), (None, 12), (14, 20), (20, 5)]
GFS_RULES = [
    {"day": 7, "week": 4, "month": 12, "year": 2},
    {"day": 14, "week": 0, "month": 3, "year": 0},
    {"day": 0, "week": 60, "month": 0, "year": 0},
]


def expected_of(rule: Rule) -> Expectation:
    sizes = {
        "day": rule.keep_daily,
        "week": rule.keep_weekly,
        "month": rule.keep_monthly,
        "year": rule.keep_yearly,
    }
    if rule.strategy == "gfs":
        return lambda history, now: reference.gfs(history, now, sizes)
    return lambda history, now: reference.simple(history, now, rule.keep_days, rule.keep_count)


RULES = [Rule(strategy="simple", keep_days=days, keep_count=count) for days, count in SIMPLE_RULES] + [
    Rule(
        strategy="gfs",
        keep_daily=sizes["day"],
        keep_weekly=sizes["week"],
        keep_monthly=sizes["month"],
        keep_yearly=sizes["year"],
    )
    for sizes in GFS_RULES
]


def assert_pruned_as_the_calendar_says(rule: Rule, pattern: Pattern, **seed: int) -> None:
    """Two years of pruning must leave what the calendar picks from the whole history."""
    destination, expected, proofs = Destination(rule), expected_of(rule), Random(7)
    for number, now in enumerate(two_years(pattern, **seed)):
        destination.back_up(now, proven=proofs.random() < 0.02)
        if number % 11 == 0:
            wanted = expected(destination.moments, now) | floors(destination)
            assert destination.held() == wanted, f"on {now}"


def assert_no_step_more_than_triples_an_age(pattern: Pattern, **seed: int) -> None:
    """Two years of hanoi must leave few backups, and no gap that a backup could have filled."""
    destination = Destination(Rule(strategy="hanoi", min_keep=1))
    most = 0
    for now in two_years(pattern, **seed):
        destination.back_up(now)
        made = {(now.date() - moment.date()).days for moment in destination.moments}
        ages = destination.days_before_the_newest()
        for newer, older in pairwise(ages):
            assert older <= 3 * newer + 1 or not made & set(range(newer + 1, older)), f"on {now}: {ages}"
        assert ages[0] == 0
        assert ages[-1] == max(made)
        assert len(ages) <= 2 + 2 * log(max(made) + 1, 3), f"on {now}: {ages}"
        most = max(most, len(destination.present))
    assert most <= 14
