"""Which instances the front page shows: search, filter by level, and pages, trouble first."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from backups.instances import inventory
from backups.service.monitoring.verdict import Level, Verdict

A_PAGE = 50
WORST_FIRST = (Level.UNPROTECTED, Level.AT_RISK, Level.PROTECTED)


@dataclass(frozen=True, slots=True)
class LevelLink:
    """A level, how many instances are at it, and the address that shows these only, or all when it is `chosen`."""

    level: Level
    number: int
    chosen: bool
    address: str


@dataclass(frozen=True, slots=True)
class Listing:
    """`shown` is one page of the `found` instances out of `total`; the links are empty where there is none."""

    shown: tuple[Verdict, ...]
    found: int
    total: int
    first: int
    search: str
    level: str
    label: str
    labels: tuple[str, ...]
    levels: tuple[LevelLink, ...]
    before: str
    after: str

    @property
    def last(self) -> int:
        return self.first + len(self.shown) - 1

    @property
    def is_narrowed(self) -> bool:
        return bool(self.search or self.level or self.label)


def listing(judged: Sequence[Verdict], query: Mapping[str, str]) -> Listing:
    """Return the page of `judged` that `query` asks for: ``q``, ``level``, ``label`` and ``p``.

    What it cannot mean is ignored. The labels are those of the instances file.
    """
    search, level, asked = query.get("q", "").strip(), query.get("level", ""), query.get("p", "")
    level = level if level in list(Level) else ""
    labels = {name: one.labels for name, one in inventory().instances.items()}
    known = tuple(inventory().labels)
    label = query.get("label", "")
    label = label if label in known else ""
    matching = [
        verdict
        for verdict in judged
        if search.casefold() in verdict.instance.casefold() and (not label or label in labels.get(verdict.instance, ()))
    ]
    numbers = Counter(verdict.level for verdict in matching if verdict.facts.is_watched)
    found = [verdict for verdict in matching if not level or (verdict.level == level and verdict.facts.is_watched)]
    found.sort(key=_order)
    pages = max(1, -(-len(found) // A_PAGE))
    number = min(max(int(asked), 1), pages) if asked.isdecimal() and len(asked) < 6 else 1
    begin = (number - 1) * A_PAGE

    def address(**changes: str) -> str:
        kept = {"q": search, "level": level, "label": label} | changes
        return "?" + urlencode({name: value for name, value in kept.items() if value})

    links = tuple(
        LevelLink(one, numbers[one], one == level, address(level="" if one == level else one.value))
        for one in WORST_FIRST
    )
    return Listing(
        shown=tuple(found[begin : begin + A_PAGE]),
        found=len(found),
        total=len(judged),
        first=begin + 1,
        search=search,
        level=level,
        label=label,
        labels=known,
        levels=links,
        before=address(p=str(number - 1)) if number > 1 else "",
        after=address(p=str(number + 1)) if number < pages else "",
    )


def _order(verdict: Verdict) -> tuple[bool, int, bool, int, str]:
    """Sort by level and cause, what a person accepted after what is open, and last what is gone from the file."""
    level, cause = verdict.urgency
    return not verdict.facts.is_watched, level, verdict.accepted_until is not None, cause, verdict.instance
