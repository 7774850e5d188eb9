"""Plots of the page of an instance, as SVG that needs neither a script nor a style of its own, with their tables."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from backups.admin.overview.drawings import Strip, lane_of, strip_of
from backups.admin.shared import formats
from backups.service.monitoring.series import Point
from backups.service.monitoring.trends.calendar import CalendarDay, Recovery
from destinations.lib.formats import counted, human_count, human_duration, human_size

WIDTH, HEIGHT = 600, 90
Number = TypeVar("Number", int, float)


@dataclass(frozen=True, slots=True)
class Plot:
    """Values over time: an area with the corners `points`, its largest value, and all the values for the table."""

    name: str
    title: str
    points: str
    largest: str
    rows: tuple[tuple[datetime, str], ...]

    @property
    def label(self) -> str:
        (end, last), (begin, first) = self.rows[0], self.rows[-1]
        ends = f"{first} on {formats.day(begin)}, {last} on {formats.day(end)}"
        return f"{self.title}: {ends}, at most {self.largest}"


@dataclass(frozen=True, slots=True)
class Layer:
    """One line of the calendar."""

    name: str
    label: str
    strip: Strip


def plots_of(series: Sequence[Point], recoveries: Sequence[Recovery]) -> list[Plot]:
    """Return the sizes and record counts of each component over time, then how long restores took."""
    by_component: dict[str, list[Point]] = {}
    for point in series:
        by_component.setdefault(point.component, []).append(point)
    found = []
    for component, points in by_component.items():
        sizes = [(point.taken_at, point.bytes) for point in points]
        records = [(point.taken_at, point.rows) for point in points if point.rows is not None]
        found.append(_plot(f"{component}-size", f"{component}: size", sizes, human_size))
        found.append(_plot(f"{component}-records", f"{component}: records", records, human_count))
    restores = [(one.at, one.seconds) for one in recoveries]
    found.append(_plot("recovery", "Recovery time in drills", restores, human_duration))
    return [plot for plot in found if plot is not None]


def _plot(
    name: str, title: str, values: Sequence[tuple[datetime, Number]], words: Callable[[Number], str]
) -> Plot | None:
    """Return None for fewer than two values: they are no line."""
    if len(values) < 2:
        return None
    begin, end = values[0][0], values[-1][0]
    period, largest = (end - begin).total_seconds() or 1, max(value for _, value in values)
    corners: list[tuple[int, int]] = [
        (round((at - begin).total_seconds() / period * WIDTH), HEIGHT - round(value / (largest or 1) * (HEIGHT - 4)))
        for at, value in values
    ]
    outline = [(0, HEIGHT), *corners, (WIDTH, HEIGHT)]
    points = " ".join(f"{x},{y}" for x, y in outline)
    rows = tuple((at, words(value)) for at, value in reversed(values))
    return Plot(name, title, points, words(largest), rows)


def layers_of(calendar: Sequence[CalendarDay]) -> list[Layer]:
    """Return the lines of the calendar: what was backed up, drilled, is still there, and is locked."""

    def drilled(one: CalendarDay) -> tuple[str, str]:
        if one.failed:
            return "failed", f"{counted(one.failed, 'drill')} failed"
        return ("proven", "drilled") if one.passed else ("none", "no drill")

    def held(one: CalendarDay) -> tuple[str, str]:
        return ("good", "copies") if one.copies else ("none", "no copy left")

    def locked(one: CalendarDay) -> tuple[str, str]:
        return ("proven", "locked") if one.locked else ("none", "not locked")

    lanes = (("drills", "Drills", drilled), ("copies", "Copies", held), ("locks", "Locks", locked))
    return [
        Layer("backups", "Backups", strip_of([one.day for one in calendar])),
        *(
            Layer(name, label, lane_of([(one.day.date, *state(one)) for one in calendar]))
            for name, label, state in lanes
        ),
    ]
