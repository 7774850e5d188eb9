"""The rows of the front page, one for each instance."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from backups.admin.shared import formats
from backups.admin.shared.progress import live, with_progress
from backups.models import (
    DrillExecution,
    RestoreExecution,
    Run,
)
from backups.models.columns import AbsentComponent
from backups.service.monitoring.absent import LOSS, NOTE, PROBLEM
from backups.service.monitoring.drills import DrillState
from backups.service.monitoring.protection import Protection
from backups.service.monitoring.verdict import Verdict
from backups.service.schedules.describe import cadence_in_words
from backups.service.schedules.freshness import FRESH
from destinations.lib.formats import counted, human_duration
from destinations.models import BackupDestination


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
    live: dict[str, Any] | None
    destination_id: str | None
    restore: dict[str, Any] | None
    drill: dict[str, Any] | None
    cadence: str
    freshness: str
    absent: Absences

    @property
    def state(self) -> Protection:
        return self.verdict.facts.protection

    @property
    def drills(self) -> DrillState:
        return self.verdict.facts.drills

    @property
    def is_described(self) -> bool:
        return self.verdict.facts.is_described

    @property
    def config_problem(self) -> str:
        return self.verdict.facts.config_problem


def rows_of(judged: list[Verdict], destinations: list[BackupDestination], *, see_restores: bool) -> list[Row]:
    names = [verdict.instance for verdict in judged]
    live_restores = _live(RestoreExecution, names) if see_restores else {}
    live_drills = _live(DrillExecution, names)
    now = timezone.now()
    usable = {destination.pk for destination in destinations}
    rows = []
    for verdict in judged:
        name, state = verdict.instance, verdict.facts.protection
        rows.append(
            Row(
                verdict=verdict,
                live=live(state.active) if state.active else None,
                destination_id=state.destination_id if state.destination_id in usable else None,
                restore=live_restores.get(name),
                drill=live_drills.get(name),
                cadence=cadence_of(state),
                freshness=freshness_in_words(state, now),
                absent=absences(verdict.facts.absent),
            )
        )
    return rows


def absences(items: Iterable[AbsentComponent]) -> Absences:
    items = list(items)
    return Absences(*([item for item in items if item["severity"] == kind] for kind in (PROBLEM, LOSS, NOTE)))


def _live(model: type[Run], names: list[str]) -> dict[str, dict[str, Any]]:
    """Return by instance the run that is running, or else the one that waits longest."""
    active = with_progress(model.objects.active().filter(instance__in=names))
    # "running" sorts after "queued", so it overwrites that in the dictionary
    return {run.instance: live(run) for run in active.order_by("status", "-created_at")}


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
