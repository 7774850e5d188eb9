"""What a strategy is given and what it answers, and the words both share."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from destinations.rule import Rule


class Candidate(NamedTuple):
    """A completed backup of one instance with a date to rely on, in UTC and not in the future."""

    taken_at: datetime
    id: str


class Verdict(NamedTuple):
    keep: bool
    because: str


class Strategy(Protocol):
    """Judges the candidates of one instance, newest first: a verdict for every id.

    Each must stay the same when candidates that it would drop are gone, so that deciding again drops nothing more.
    """

    def __call__(self, rule: Rule, candidates: Sequence[Candidate], now: datetime) -> Mapping[str, Verdict]: ...


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(parts: Sequence[str]) -> str:
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]


def duration(length: timedelta) -> str:
    """The largest whole unit, rounded down: "3 days", "5 hours", "40 minutes"."""
    minutes = length // timedelta(minutes=1)
    for noun, size in (("day", 1440), ("hour", 60), ("minute", 1)):
        if minutes >= size:
            return counted(minutes // size, noun)
    return "less than a minute"
