"""Two years of backups, pruned after each of them, against the independent statement of every rule.

With the patterns that are quick to simulate; ``make soak`` runs all of them, with other moments each time.
"""

from datetime import timedelta

import pytest

from backups.service.retention.rules import Rule
from tests.support.retention_cases import taken
from tests.support.retention_simulation import (
    RULES,
    Destination,
    Pattern,
    assert_no_step_more_than_triples_an_age,
    assert_pruned_as_the_calendar_says,
    expected_of,
    floors,
    numbers_of,
    once_a_day,
    once_a_week,
    two_years,
    with_gaps,
)

EACH_PATTERN = pytest.mark.parametrize("pattern", [with_gaps, once_a_week], ids=lambda pattern: pattern.__name__)


@EACH_PATTERN
@pytest.mark.parametrize("rule", RULES, ids=numbers_of)
def test_two_years_of_pruning_leave_what_the_calendar_picks_from_the_whole_history(
    rule: Rule, pattern: Pattern
) -> None:
    assert_pruned_as_the_calendar_says(rule, pattern)


@EACH_PATTERN
def test_two_years_of_hanoi_leave_no_step_that_more_than_triples_an_age(pattern: Pattern) -> None:
    assert_no_step_more_than_triples_an_age(pattern)


def test_two_years_of_daily_runs_under_hanoi_end_on_powers_of_three() -> None:
    destination = Destination(Rule(strategy="hanoi", min_keep=1))
    for now in two_years(once_a_day):
        destination.back_up(now)
    assert destination.days_before_the_newest() == [0, 1, 3, 9, 27, 81, 243, 729]


def test_hanoi_that_forgets_after_a_year_always_reaches_back_four_months() -> None:
    destination = Destination(Rule(strategy="hanoi", keep_days=365))
    for day, now in enumerate(two_years(once_a_day)):
        destination.back_up(now)
        assert min(day, 121) <= destination.days_before_the_newest()[-1] <= 365


@pytest.mark.parametrize("rule", [*RULES, Rule(strategy="hanoi", keep_days=365)], ids=numbers_of)
def test_an_outage_of_half_a_year_deletes_nothing_and_the_rule_takes_over_again_after_it(rule: Rule) -> None:
    destination = Destination(rule, promised=timedelta(hours=26))
    moments = list(two_years(once_a_day))
    for now in moments[:300]:
        destination.back_up(now)
    before = destination.held()
    assert sum(destination.prune(now + timedelta(hours=3)) for now in moments[300:480]) == 0
    assert destination.held() == before
    for now in moments[480:540]:
        destination.back_up(now)
    if rule.strategy != "hanoi":
        assert destination.held() == expected_of(rule)(destination.moments, moments[539]) | floors(destination)
    assert len(destination.moments) == 360


def test_failed_runs_for_a_month_cost_no_good_backup() -> None:
    destination = Destination(Rule(strategy="simple", keep_days=10), promised=timedelta(hours=26))
    moments = list(two_years(once_a_day))
    for now in moments[:20]:
        destination.back_up(now)
    before = destination.held()
    for now in moments[20:50]:
        destination.present.append(taken(now, completed=False))
        destination.prune(now + timedelta(hours=3))
    assert before <= destination.held()
