"""The rows of the front page, one for each instance that it lists."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from backups.admin.overview.drawings import DayLine, Trend, line_of, trend_of
from backups.admin.overview.now import Now
from backups.admin.shared import formats
from backups.admin.shared.addresses import addresses
from backups.models import BackupCopy
from backups.models.columns import AbsentComponent
from backups.service.monitoring.absent import LOSS, NOTE, PROBLEM
from backups.service.monitoring.drills import DrillState
from backups.service.monitoring.protection import Protection
from backups.service.monitoring.trends.days import Day
from backups.service.monitoring.verdict import Verdict
from backups.service.monitoring.verdict.facts import Place
from backups.service.schedules.describe import cadence_in_words
from backups.service.schedules.freshness import FRESH
from destinations.lib.formats import counted, human_duration


@dataclass(frozen=True, slots=True)
class Absences:
    """The components of an instance that do not exist: required ones, optional ones that were backed up, others."""

    problems: list[AbsentComponent]
    losses: list[AbsentComponent]
    notes: list[AbsentComponent]

    @property
    def urgent(self) -> list[AbsentComponent]:
        return [*self.problems, *self.losses]

    @property
    def are_known(self) -> bool:
        """False when the components could not be looked for."""
        return all(item["component"] for item in self.urgent)

    def of(self, component: str) -> AbsentComponent | None:
        return next((item for item in [*self.urgent, *self.notes] if item["component"] == component), None)


@dataclass(frozen=True, slots=True)
class Row:
    verdict: Verdict
    days: DayLine
    trend: Trend | None
    live: dict[str, Any] | None
    restore: dict[str, Any] | None
    drill: dict[str, Any] | None
    cadence: str
    freshness: str
    absent: Absences
    drifted: bool
    address: str
    address_of_good: str
    address_of_failure: str

    @property
    def state(self) -> Protection:
        return self.verdict.facts.protection

    @property
    def drills(self) -> DrillState:
        return self.verdict.facts.drills

    @property
    def copies(self) -> list[tuple[Place, BackupCopy]]:
        """The copies of the newest good backup, each with where it is."""
        return [(fact.place, fact.copy) for fact in self.verdict.facts.copies]

    @property
    def is_described(self) -> bool:
        return self.verdict.facts.is_described

    @property
    def config_problem(self) -> str:
        return self.verdict.facts.config_problem


def rows_of(
    judged: Sequence[Verdict], days: Mapping[str, Sequence[Day]], running: Now, drifted: Container[str]
) -> list[Row]:
    """Return the rows; `drifted` are the instances whose configuration changed since their newest good backup."""
    now = timezone.now()
    instance_page, backup_page = addresses("admin:backups_instance"), addresses("admin:backups_backupexecution_change")
    rows = []
    for verdict in judged:
        name, state = verdict.instance, verdict.facts.protection
        rows.append(
            Row(
                verdict=verdict,
                days=line_of(days[name]),
                trend=trend_of(days[name]),
                live=running.backups.get(name),
                restore=running.restores.get(name),
                drill=running.drills.get(name),
                cadence=cadence_of(state),
                freshness=freshness_in_words(state, now),
                absent=absences(verdict.facts.absent),
                drifted=name in drifted,
                address=instance_page(name),
                address_of_good=backup_page(state.good.pk) if state.good else "",
                address_of_failure=backup_page(state.failure.pk) if state.failure else "",
            )
        )
    return rows


def absences(items: Iterable[AbsentComponent]) -> Absences:
    items = list(items)
    return Absences(*([item for item in items if item["severity"] == kind] for kind in (PROBLEM, LOSS, NOTE)))


def cadence_of(state: Protection) -> str:
    """Return the cadence of the strictest schedule in words, or else why there is none."""
    outlook = state.outlook
    if (strictest := outlook.strictest) is None:
        return "paused" if outlook.paused else "no schedule"
    words = cadence_in_words(strictest.type, strictest.expression, strictest.time_zone)
    return words if outlook.automatic == 1 else f"{words}; strictest of {counted(outlook.automatic, 'schedule')}"


def freshness_in_words(state: Protection, now: datetime) -> str:
    """Return from when on the instance is overdue without another good backup."""
    if state.overdue_from is None:
        return f"a good backup is overdue after {human_duration(FRESH)}"
    return f"overdue {'from' if state.overdue_from > now else 'since'} {formats.minute(state.overdue_from)}"
