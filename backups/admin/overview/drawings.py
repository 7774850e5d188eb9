"""Small drawings of the rows of the front page, as SVG that needs neither a script nor a style of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from backups.service.monitoring.trends.days import Day, Outcome
from destinations.lib.formats import counted, human_size

# of a square and the gap after it, in pixels, as the dashes of the style sheet
STEP, GAP = 7, 1
WIDTH, HEIGHT = 58, 18
WORDS = {
    Outcome.PROVEN: "good and proven",
    Outcome.GOOD: "good",
    Outcome.FAILED: "failed",
    Outcome.NONE: "no backup",
}
SHORT = {Outcome.PROVEN: "proven", Outcome.GOOD: "good", Outcome.FAILED: "failed", Outcome.NONE: "without a backup"}
# so many days are named one by one
NAMED = 6


@dataclass(frozen=True, slots=True)
class Squares:
    """Successive days of one outcome: a dashed line of `path`, one dash a day, and what it says under the pointer."""

    outcome: Outcome
    path: str
    words: str


@dataclass(frozen=True, slots=True)
class Strip:
    """The last days of an instance, one square a day; `label` says the same in words."""

    squares: tuple[Squares, ...]
    label: str


@dataclass(frozen=True, slots=True)
class Trend:
    """The sizes of the archives of those days as an area with the corners `points`."""

    points: str
    label: str


def strip_of(days: Sequence[Day]) -> Strip:
    squares, column = [], 0
    for outcome, group in groupby(days, key=lambda day: day.outcome):
        found = list(group)
        first, last = found[0].date, found[-1].date
        when = f"{first:%m-%d}" if first == last else f"{first:%m-%d} to {last:%m-%d}"
        failures = 0 if outcome is Outcome.FAILED else sum(day.failures for day in found)
        runs = f", {counted(failures, 'run')} failed" if failures else ""
        path = f"M{column * STEP} 7h{len(found) * STEP - GAP}"
        squares.append(Squares(outcome, path, f"{when}: {WORDS[outcome]}{runs}"))
        column += len(found)
    return Strip(tuple(squares), _in_words(days))


def trend_of(days: Sequence[Day]) -> Trend | None:
    """Return the line of the sizes; None for fewer than two days with one."""
    sizes = [(index, day.size_bytes) for index, day in enumerate(days) if day.size_bytes is not None]
    if len(sizes) < 2:
        return None
    largest = max(size for _, size in sizes) or 1
    # from zero on: a line that begins at the smallest size would show noise as a mountain range
    places = [(1 + index * WIDTH // (len(days) - 1), HEIGHT - size * (HEIGHT - 2) // largest) for index, size in sizes]
    # what lies on the way is left out
    kept = [
        place
        for number, place in enumerate(places)
        if number in (0, len(places) - 1) or not places[number - 1][1] == place[1] == places[number + 1][1]
    ]
    first, last = sizes[0][1], sizes[-1][1]
    label = (
        f"{human_size(first)} on {days[sizes[0][0]].date:%m-%d}, {human_size(last)} on {days[sizes[-1][0]].date:%m-%d}"
    )
    # closed along the bottom, so that it is seen where zero is
    outline = [(kept[0][0], HEIGHT), *kept, (kept[-1][0], HEIGHT)]
    return Trend(" ".join(f"{x},{y}" for x, y in outline), label)


def _in_words(days: Sequence[Day]) -> str:
    parts = []
    for outcome in Outcome:
        found = [day.date for day in days if day.outcome is outcome]
        if not found:
            continue
        # the good ones are the rule; of the others it counts which day it was
        is_named = outcome in (Outcome.FAILED, Outcome.NONE) and len(found) <= NAMED
        which = f" ({', '.join(f'{day:%m-%d}' for day in found)})" if is_named else ""
        parts.append(f"{len(found)} {SHORT[outcome]}{which}")
    return f"{len(days)} days to {days[-1].date}: {', '.join(parts)}"
