"""The rows of the front page, one for each instance."""

from dataclasses import dataclass
from datetime import datetime
from textwrap import shorten
from typing import Any

from django.db.models import Q
from django.utils import timezone

from backups.admin.shared import formats
from backups.admin.shared.progress import live, with_progress
from backups.models import (
    BackupSchedule,
    DrillExecution,
    InstanceState,
    RestoreExecution,
    Run,
)
from backups.models.columns import AbsentComponent
from backups.service.monitoring.absent import LOSS, NOTE, PROBLEM
from backups.service.monitoring.drills import DrillState, drill_states
from backups.service.monitoring.protection import Condition, Protection, taken_at
from backups.service.schedules.describe import cadence_in_words
from backups.service.schedules.freshness import FRESH
from destinations.lib.formats import counted, human_duration
from destinations.models import BackupDestination

LABELS = {
    Condition.SAFE: "Safe",
    Condition.FAILING: "Last attempt failed",
    Condition.OVERDUE: "Overdue",
    Condition.NEVER: "No backup",
}
LONGEST_CAUSE = 160


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
    state: Protection
    label: str
    live: dict[str, Any] | None
    destination_id: str | None
    restore: dict[str, Any] | None
    drill: dict[str, Any] | None
    restart: InstanceState | None
    drills: DrillState
    config_problem: str
    cadence: str
    freshness: str
    half_restored: RestoreExecution | None
    missing: int
    is_described: bool
    absent: Absences

    @property
    def needs_attention(self) -> bool:
        state = self.state
        # the backups of a service that is gone may stay; a schedule of it will fail
        if not self.is_described:
            return bool(state.outlook.automatic) or self.half_restored is not None
        troubled = state.condition is not Condition.SAFE or state.episode is not None or self.half_restored is not None
        troubled = troubled or bool(self.absent.problems)
        return troubled or bool(self.drills.failures) or self.drills.is_overdue

    @property
    def reason(self) -> str:
        """Return why the instance needs attention: the worst reason first."""
        state = self.state
        if self.half_restored is not None:
            return reason_of_restore(self.half_restored)
        if not self.is_described:
            return f"{state.name} is no longer in the instances file, and its schedules fail"
        if self.absent.problems:
            return _reason_of_absence(state.name, self.absent.problems[0])
        if self.drills.failures:
            failed = self.drills.failures[0]
            return f"the last {failed.label} of {state.name} failed{_cause(failed)}"
        if state.good is None:
            return f"{state.name} has no backup{_cause(state.failure)}"
        if state.condition is Condition.OVERDUE:
            return (
                f"the last good backup of {state.name} was {formats.age(taken_at(state.good))}{_cause(state.failure)}"
            )
        if state.condition is Condition.DROPPED and state.episode is not None:
            return f"the newest backup of {state.name} {state.episode.headline}"
        if state.condition is Condition.SAFE:
            return f"the drill of {state.name} is overdue"
        if state.failure is None and state.outlook.failing:
            return _reason_of_schedule(state.outlook.failing[0])
        return f"the last attempt at {state.name} failed{_cause(state.failure)}"

    @property
    def warnings(self) -> list[str]:
        """Return the warnings that the page shows of the instance."""
        name = self.state.name
        if not self.is_described:
            return []
        shown = [(True, _reason_of_schedule(schedule)) for schedule in self.state.outlook.failing]
        shown += [(True, f"the optional {item['component']} of {name} is missing") for item in self.absent.losses]
        shown += [
            (self.restart is not None, f"{name} has to be restarted"),
            (bool(self.config_problem), f"the configuration of {name} has errors"),
            (bool(self.drills.put_off), f"the drill of {name} that is due is put off"),
            (self.drills.trouble is not None, f"the last drill of {name} came to no verdict"),
        ]
        return [warning for is_shown, warning in shown if is_shown]


def rows_of(
    states: list[Protection],
    destinations: list[BackupDestination],
    broken: dict[str, RestoreExecution],
    missing: dict[str, int],
    undescribed: list[str],
    *,
    see_restores: bool,
) -> list[Row]:
    names = [state.name for state in states]
    live_restores = _live(RestoreExecution, names) if see_restores else {}
    live_drills = _live(DrillExecution, names)
    notable = Q(restart_required_since__isnull=False) | ~Q(config_problem="") | Q(absent_components__isnull=False)
    notes = InstanceState.objects.filter(notable).in_bulk()
    drills = drill_states(names)
    now = timezone.now()
    usable = {destination.pk for destination in destinations}
    return [
        Row(
            state=state,
            label=label_of(state, drills[state.name]),
            live=live(state.active) if state.active else None,
            destination_id=state.destination_id if state.destination_id in usable else None,
            restore=live_restores.get(state.name),
            drill=live_drills.get(state.name),
            restart=note if (note := notes.get(state.name)) and note.restart_required_since else None,
            config_problem=note.config_problem if note else "",
            drills=drills[state.name],
            cadence=cadence_of(state),
            freshness=freshness_in_words(state, now),
            half_restored=broken.get(state.name),
            missing=missing.get(state.name, 0),
            is_described=state.name not in undescribed,
            absent=absences(notes.get(state.name) if state.name not in undescribed else None),
        )
        for state in states
    ]


def absences(note: InstanceState | None) -> Absences:
    items = (note.absent_components or []) if note else []
    return Absences(*([item for item in items if item["severity"] == kind] for kind in (PROBLEM, LOSS, NOTE)))


def _live(model: type[Run], names: list[str]) -> dict[str, dict[str, Any]]:
    """Return by instance the run that is running, or else the one that waits longest."""
    active = with_progress(model.objects.active().filter(instance__in=names))
    # "running" sorts after "queued", so it overwrites that in the dictionary
    return {run.instance: live(run) for run in active.order_by("status", "-created_at")}


def label_of(state: Protection, drills: DrillState) -> str:
    if state.condition is Condition.NEVER and drills.failures:
        return "No good backup"
    if state.condition is Condition.DROPPED and state.episode is not None:
        return state.episode.label.capitalize()
    return LABELS[state.condition]


def _cause(run: Run | None) -> str:
    """Return the error of a run that failed, as the end of a sentence."""
    return f": {shorten(run.error_message, LONGEST_CAUSE, placeholder=' …').rstrip('.')}" if run else ""


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


def _reason_of_absence(name: str, item: AbsentComponent) -> str:
    reason = item["reason"].rstrip(".")
    if item["component"]:
        return f"{item['component']} of {name} is missing: {reason}"
    return f"{name} cannot be read: {reason}"


def _reason_of_schedule(schedule: BackupSchedule) -> str:
    return f"schedule {schedule} of {schedule.instance} failed: {schedule.last_error.rstrip('.') or 'see its runs'}"


def reason_of_restore(restore: RestoreExecution) -> str:
    if restore.is_verified:
        return f"the end of a restore of {restore.instance} went wrong"
    return f"{restore.instance} may be half restored"
