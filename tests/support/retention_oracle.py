"""Every rule a second time, in another style: over the whole history that was ever made, by walking a calendar.

Nothing is shared with the product, and nothing is forgotten: what a day-by-day pruned destination holds must be what
these functions pick from a destination that never lost a backup.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise

Span = tuple[datetime, datetime]


def simple(history: Sequence[datetime], now: datetime, keep_days: int | None, keep_count: int | None) -> set[datetime]:
    """`history` ascends in time, as in the functions below."""
    chosen: set[datetime] = set(history[-keep_count:]) if keep_count else set()
    if keep_days:
        chosen |= {moment for moment in history if (now - moment).total_seconds() <= keep_days * 86_400}
    return chosen


def gfs(history: Sequence[datetime], now: datetime, wanted: dict[str, int]) -> set[datetime]:
    """Walks back from today through days, weeks from Monday, months and years, until enough of them had a backup."""
    chosen = set()
    for period, number in wanted.items():
        for first, after in _backwards(period, now):
            if number == 0 or after <= history[0]:
                break
            inside = history[bisect_left(history, first) : bisect_left(history, after)]
            if inside:
                chosen.add(inside[-1])
                number -= 1
    return chosen


def _backwards(period: str, now: datetime) -> Iterator[Span]:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    first = _START_OF[period](midnight)
    after = midnight + timedelta(days=1)
    while True:
        yield first, after
        first, after = _START_OF[period](first - timedelta(days=1)), first


_START_OF: dict[str, Callable[[datetime], datetime]] = {
    "day": lambda day: day,
    "week": lambda day: day - timedelta(days=day.weekday()),
    "month": lambda day: day.replace(day=1),
    "year": lambda day: datetime(day.year, 1, 1, tzinfo=UTC),
}


def sparsest(ages: Sequence[int]) -> tuple[int, ...]:
    """Of ascending ages in days (the first is 0) the fewest that include both ends and have every step in reach.

    A step from a to b is in reach when b <= 3a + 1 or nothing lies between. Of equally few points the oldest ones are
    taken. Found by trying all subsets.
    """

    if len(ages) < 3:
        return tuple(ages)

    def in_reach(step: tuple[int, int]) -> bool:
        return step[1] <= 3 * step[0] + 1 or ages.index(step[1]) == ages.index(step[0]) + 1

    for size in range(len(ages) - 1):
        paths = [(ages[0], *middle, ages[-1]) for middle in combinations(ages[1:-1], size)]
        possible = [path for path in paths if all(in_reach(step) for step in pairwise(path))]
        if possible:
            return max(possible)
    raise AssertionError("the path over all ages is always possible")
