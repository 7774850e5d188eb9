"""What is gone since the backup before, and what is off the trend of the last good backups. Reads no row."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low

from backups.service.drops.holdings import LEAST_BYTES, LEAST_COUNTED, Drop, Holding, Kind, drops_between
from backups.service.drops.robust import limits_of

# The median of fewer says little: until then a backup is compared with the one before it alone.
LEAST_WINDOW = 10
LONGEST_WINDOW = 20
# what a component counts as having at least when it grows: the first weeks of a service are no deviation
LEAST_GROWN = {"rows": 1000, "files": 1000, "bytes": 1 << 20}
LEAST_LOST = {"rows": LEAST_COUNTED, "files": LEAST_COUNTED, "bytes": LEAST_BYTES}
# A deviation that a person confirmed so often within the window recurs; of two that are alike, one may be twice as far.
RECURRING = 2
ALIKE = 2

# the amounts of a component: by table, "" for the whole, and by what is counted
Amounts = dict[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How much is a deviation: `percent` is lost, or what is there is `growth` times as much (0: no growth is)."""

    percent: int
    growth: int


@dataclass(frozen=True, slots=True)
class Past:
    """What a component held in an earlier backup, None where it was not in it, and its drops that were confirmed.

    `is_accepted`: a person confirmed one, so that later backups are compared with this state and not with older ones.
    """

    holding: Holding | None
    confirmed: tuple[Drop, ...] = ()
    is_accepted: bool = False


def deviations(
    past: Mapping[str, Sequence[Past]],
    now: Mapping[str, Holding],
    thresholds: Thresholds,
    *,
    config_is_url: bool = False,
) -> list[Drop]:
    """Return the drops beside the backup before, then what is off the trend.

    `past` has the states of each component in which it had no open drop, the newest first.
    """
    before = {name: states[0].holding for name, states in past.items() if states}
    known = {name: holding for name, holding in before.items() if holding is not None}
    found = drops_between(known, now, percent=thresholds.percent, config_is_url=config_is_url)
    dropped = {(drop.component, drop.table) for drop in found}
    for component, holding in now.items():
        # a drop of the whole component says more than a list of its tables
        if (component, "") in dropped:
            continue
        window = _window(past.get(component, ()))
        has_content = not (config_is_url and component == "config")
        for drop in _off_trend(component, window, holding, thresholds, has_content=has_content):
            if (component, drop.table) not in dropped:
                found.append(drop)
            if not drop.table:
                break
    return found


def recurs(drop: Drop, states: Sequence[Past]) -> bool:
    """True for a deviation that came, and was confirmed, at least twice within the window.

    What became empty does not recur: a setting leaves that out, or a person confirms it each time.
    """
    if drop.after == 0:
        return False
    alike = [any(_is_alike(drop, other) for other in state.confirmed) for state in states[:LONGEST_WINDOW]]
    # backups in a row with the same deviation had it once
    return sum(here and not earlier for here, earlier in zip(alike, [*alike[1:], False], strict=False)) >= RECURRING


def _is_alike(drop: Drop, other: Drop) -> bool:
    if drop.key != other.key:
        return False
    return drop.after <= ALIKE * other.after if drop.is_growth else other.after <= ALIKE * drop.after


def _window(states: Sequence[Past]) -> list[Holding]:
    """Return the states back to the newest that a person confirmed."""
    found: list[Holding] = []
    for state in states[:LONGEST_WINDOW]:
        if state.holding is not None:
            found.append(state.holding)
        if state.is_accepted:
            break
    return found


def _off_trend(
    component: str, window: Sequence[Holding], now: Holding, thresholds: Thresholds, *, has_content: bool
) -> Iterator[Drop]:
    """Return what is off in the component as a whole and in its tables, the whole first; then its growth."""
    # a folder of this site that is left out of a tree since, or is not any more, changes it without a loss
    alike = [held for held in window if held.left_out == now.left_out] if has_content else []
    counted, filled = [_rows(held) for held in window], [_content(held) for held in alike]
    for (table, measure), after in sorted((_rows(now) | _content(now)).items()):
        series = counted if measure == "rows" else filled
        values = [amounts[table, measure] for amounts in series if (table, measure) in amounts]
        if len(values) < LEAST_WINDOW or median_low(values) < LEAST_LOST[measure]:
            continue
        limits = limits_of(values, percent=thresholds.percent, factor=thresholds.growth)
        if after <= limits.low:
            yield Drop(component, table, measure, limits.median, after, Kind.SHRUNK, limits.low, len(values))
    if not thresholds.growth:
        return
    sizes = [_sizes(held) for held in alike]
    rows = [size["rows"] for size in sizes if "rows" in size]
    for measure, after in _sizes(now).items():
        values = [size[measure] for size in sizes if measure in size]
        # what was empty is being filled, also a database that had its pages already
        if len(values) < LEAST_WINDOW or not median_low(values) or (rows and not median_low(rows)):
            continue
        limits = limits_of(values, percent=thresholds.percent, factor=thresholds.growth)
        high = max(limits.high, thresholds.growth * LEAST_GROWN[measure])
        if after >= high:
            yield Drop(component, "", measure, limits.median, after, Kind.GROWN, high, len(values))
            return


def _rows(holding: Holding) -> Amounts:
    if holding.uncounted or not holding.database_bytes:
        return {}
    return {("", "rows"): holding.rows} | {(table, "rows"): rows for table, rows in holding.tables.items()}


def _content(holding: Holding) -> Amounts:
    if holding.files is None:
        return {("", "bytes"): holding.bytes} if holding.bytes else {}
    return {("", "files"): holding.files, ("", "bytes"): holding.content_bytes}


def _sizes(holding: Holding) -> dict[str, int]:
    """Return what may grow: the rows of databases, the files of a tree, and the size of both."""
    sizes = {"rows": holding.rows} if holding.database_bytes and not holding.uncounted else {}
    if holding.files is not None:
        sizes["files"] = holding.files
    return sizes | {"bytes": holding.size_bytes}
