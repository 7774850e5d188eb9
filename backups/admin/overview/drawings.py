"""Small drawings of days, as SVG that needs neither a script nor a style of its own."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
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
# a capital letter is of a day on which a run failed beside
LETTERS = {Outcome.PROVEN: "p", Outcome.GOOD: "g", Outcome.FAILED: "f", Outcome.NONE: "n"}
WORDS_OF_LETTERS = {LETTERS[one]: WORDS[one] for one in Outcome} | {
    LETTERS[one].upper(): f"{WORDS[one]}, and a run failed" for one in (Outcome.PROVEN, Outcome.GOOD)
}
SHORT = {Outcome.PROVEN: "proven", Outcome.GOOD: "good", Outcome.FAILED: "failed", Outcome.NONE: "without a backup"}
# so many days are named one by one
NAMED = 6


@dataclass(frozen=True, slots=True)
class Squares:
    """Successive days of one outcome: a dashed line of `path`, one dash a day, and what it says under the pointer."""

    outcome: str
    path: str
    words: str


@dataclass(frozen=True, slots=True)
class Strip:
    """The last days of an instance, one square a day; `label` says the same in words. `width` is in pixels."""

    squares: tuple[Squares, ...]
    label: str
    width: int


@dataclass(frozen=True, slots=True)
class DayLine:
    """The last days of an instance in a line of a long table: one path for each outcome, and a letter for each day.

    A script says under the pointer what the letter of a day means, by WORDS_OF_LETTERS.
    """

    paths: tuple[tuple[str, str], ...]
    letters: str
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
        failures = 0 if outcome is Outcome.FAILED else sum(day.failures for day in found)
        runs = f", {counted(failures, 'run')} failed" if failures else ""
        words = f"{_when(found[0].date, found[-1].date)}: {WORDS[outcome]}{runs}"
        squares.append(Squares(outcome, _path(column, len(found)), words))
        column += len(found)
    return Strip(tuple(squares), _in_words(days), column * STEP - GAP)


def line_of(days: Sequence[Day]) -> DayLine:
    paths, letters, column = dict[str, str](), "", 0
    for outcome, group in groupby(days, key=lambda day: day.outcome):
        found = list(group)
        paths[outcome] = paths.get(outcome, "") + _path(column, len(found))
        for day in found:
            has_failures = day.failures and outcome is not Outcome.FAILED
            letters += LETTERS[outcome].upper() if has_failures else LETTERS[outcome]
        column += len(found)
    return DayLine(tuple(paths.items()), letters, _outcomes(days))


def lane_of(states: Sequence[tuple[date, str, str]]) -> Strip:
    """Return days of another kind: the date, the tone of its square, and its words."""
    squares, column = [], 0
    for (tone, words), group in groupby(states, key=lambda state: state[1:]):
        found = [state[0] for state in group]
        squares.append(Squares(tone, _path(column, len(found)), f"{_when(found[0], found[-1])}: {words}"))
        column += len(found)
    numbers = Counter(words for _, _, words in states)
    label = ", ".join(f"{counted(number, 'day')} {words}" for words, number in numbers.items())
    return Strip(tuple(squares), f"{len(states)} days to {states[-1][0]}: {label}", column * STEP - GAP)


def _when(first: date, last: date) -> str:
    return f"{first:%m-%d}" if first == last else f"{first:%m-%d} to {last:%m-%d}"


def _path(column: int, number: int) -> str:
    return f"M{column * STEP} 7h{number * STEP - GAP}"


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
    return f"{len(days)} days to {days[-1].date}: {_outcomes(days)}"


def _outcomes(days: Sequence[Day]) -> str:
    parts = []
    for outcome in Outcome:
        found = [day.date for day in days if day.outcome is outcome]
        if not found:
            continue
        # the good ones are the rule; of the others it counts which day it was
        is_named = outcome in (Outcome.FAILED, Outcome.NONE) and len(found) <= NAMED
        which = f" ({', '.join(f'{day:%m-%d}' for day in found)})" if is_named else ""
        parts.append(f"{len(found)} {SHORT[outcome]}{which}")
    return ", ".join(parts)
