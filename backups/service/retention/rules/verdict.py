"""What a strategy is given and what it answers, and the words both share."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from destinations.policies.retention_rule import Rule


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
