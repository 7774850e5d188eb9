"""The front page: a banner with the state of everything, and one row for each instance."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from textwrap import shorten
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Q
from django.utils import timezone

from backups.admin.shared import formats
from backups.admin.shared.permissions import VIEW, may, sees
from backups.admin.shared.progress import live, with_progress
from backups.instances import Problem, instance_names, inventory
from backups.lib.log_handlers import log_problem
from backups.models import (
    BackupExecution,
    BackupSchedule,
    DrillExecution,
    InstanceState,
    KeyCheck,
    RestoreExecution,
    Run,
)
from backups.service.monitoring.drills import DrillState, drill_states
from backups.service.monitoring.protection import Condition, Protection, protections, taken_at, undescribed_instances
from backups.service.monitoring.restore_points import missing_by_instance
from backups.service.monitoring.workers import WorkerState, worker_state
from backups.service.schedules.describe import cadence_in_words
from backups.service.schedules.freshness import FRESH
from destinations.lib.formats import counted, human_duration
from destinations.models import BackupDestination

LABELS = {
    Condition.SAFE: "Safe",
    Condition.FAILING: "Last attempt failed",
    Condition.OVERDUE: "Overdue",
    Condition.NEVER: "No backup",
    Condition.DROPPED: "Data dropped",
}
# the banner stays one line; the table below has all of them
NAMED_IN_BANNER = 3
LONGEST_CAUSE = 160


class Severity(StrEnum):
    """The severity of the banner: the worst of what the page shows."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


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

    @property
    def needs_attention(self) -> bool:
        state = self.state
        # the backups of a service that is gone may stay; a schedule of it will fail
        if not self.is_described:
            return bool(state.outlook.automatic) or self.half_restored is not None
        troubled = state.condition is not Condition.SAFE or state.episode is not None or self.half_restored is not None
        return troubled or bool(self.drills.failures) or self.drills.is_overdue

    @property
    def reason(self) -> str:
        """Return why the instance needs attention: the worst reason first."""
        state = self.state
        if self.half_restored is not None:
            return _reason_of_restore(self.half_restored)
        if not self.is_described:
            return f"{state.name} is no longer in the instances file, and its schedules fail"
        if self.drills.failures:
            failed = self.drills.failures[0]
            return f"the last {failed.label} of {state.name} failed{_cause(failed)}"
        if state.good is None:
            return f"{state.name} has no backup{_cause(state.failure)}"
        if state.condition is Condition.OVERDUE:
            return (
                f"the last good backup of {state.name} was {formats.age(taken_at(state.good))}{_cause(state.failure)}"
            )
        if state.condition is Condition.DROPPED:
            return f"data of {state.name} is gone since the backup before"
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
        shown += [
            (self.restart is not None, f"{name} has to be restarted"),
            (bool(self.config_problem), f"the configuration of {name} has errors"),
            (self.drills.trouble is not None, f"the last drill of {name} came to no verdict"),
        ]
        return [warning for is_shown, warning in shown if is_shown]


@dataclass(frozen=True, slots=True)
class FrontPage:
    banner: str
    severity: Severity
    rows: list[Row]
    problems: tuple[Problem, ...]
    destinations: list[BackupDestination]
    may_run: bool
    may_see_restores: bool
    workers: WorkerState
    lost_keys: list[KeyCheck]
    log_problem: str
    # the destinations whose retention rule is not confirmed
    pending_rules: list[BackupDestination]
    # how many archives are gone from their destinations, by instance
    missing: dict[str, int]

    @property
    def restarts(self) -> list[Row]:
        return [row for row in self.rows if row.restart]


def front_page(user: User | AnonymousUser, half_restored: list[RestoreExecution]) -> FrontPage | None:
    """Return what `user`, who sees `half_restored`, sees of the instances; None for users who may not see backups."""
    if not user.has_perm(VIEW):
        return None
    undescribed = undescribed_instances()
    problems = inventory().problems
    states = protections(with_progress(BackupExecution.objects.all()), [*instance_names(), *undescribed])
    destinations = list(BackupDestination.objects.enabled().only("pk", "name", "rule_pending_since"))
    pending_rules = [destination for destination in destinations if destination.rule_pending_since]
    see_restores, may_run = sees(user, RestoreExecution), may(user, "run_backup")
    broken = {restore.instance: restore for restore in half_restored}
    missing = missing_by_instance()
    rows = _rows(states, destinations, broken, missing, undescribed, see_restores=see_restores)
    lost_keys = list(KeyCheck.objects.exclude(problem="").select_related("destination"))
    workers, log = worker_state(), log_problem()

    named = {state.name for state in states}
    elsewhere = [_reason_of_restore(restore) for name, restore in broken.items() if name not in named]
    # each is part of one sentence there
    warnings = [problem.message[0].lower() + problem.message[1:].rstrip(".") for problem in workers.problems]
    warnings += ["the log file cannot be written"] if log else []
    warnings += [f"the retention rule of {destination} is not confirmed" for destination in pending_rules]
    warnings += [f"{counted(missing[name], 'archive')} of {name} went missing" for name in sorted(missing)]
    warnings += ["no destination is enabled"] if may_run and not destinations else []
    scheduled = any(row.state.outlook.automatic for row in rows if row.is_described)
    warnings += ["no schedule is active"] if rows and not scheduled else []
    warnings += [warning for row in rows for warning in row.warnings]
    severity, banner = _banner(rows, problems, lost_keys, elsewhere, warnings)
    return FrontPage(
        banner=banner,
        severity=severity,
        rows=rows,
        problems=problems,
        destinations=destinations,
        may_run=may_run,
        may_see_restores=see_restores,
        workers=workers,
        lost_keys=lost_keys,
        log_problem=log,
        pending_rules=pending_rules,
        missing=missing,
    )


def _rows(
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
    notable = Q(restart_required_since__isnull=False) | ~Q(config_problem="")
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
        )
        for state in states
    ]


def _live(model: type[Run], names: list[str]) -> dict[str, dict[str, Any]]:
    """Return by instance the run that is running, or else the one that waits longest."""
    active = with_progress(model.objects.active().filter(instance__in=names))
    # "running" sorts after "queued", so it overwrites that in the dictionary
    return {run.instance: live(run) for run in active.order_by("status", "-created_at")}


def label_of(state: Protection, drills: DrillState) -> str:
    if state.condition is Condition.NEVER and drills.failures:
        return "No good backup"
    return LABELS[state.condition]


def _banner(
    rows: list[Row],
    problems: tuple[Problem, ...],
    lost_keys: list[KeyCheck],
    elsewhere: list[str],
    warnings: list[str],
) -> tuple[Severity, str]:
    """Return severity and text of the banner. `elsewhere` are reasons about instances that have no row."""
    wrong = {problem.instance for problem in problems if problem.instance}
    described = [row for row in rows if row.is_described]
    needy = [row for row in rows if row.needs_attention]
    needy.sort(key=lambda row: (row.half_restored is None, list(Condition).index(row.state.condition)))
    count = len(described) + sum(not row.is_described for row in needy) + len(wrong) + len(elsewhere)
    reasons = elsewhere + [f"{name} has configuration errors" for name in sorted(wrong)] + [row.reason for row in needy]
    # of one that cannot be read it is not known what it describes
    if not count and any(not problem.missing for problem in problems):
        return Severity.BAD, "The instances file has errors, so no instance is backed up."
    if not count:
        return Severity.BAD, "There is nothing to back up yet: the instances file describes no instance."
    if reasons:
        verb = "needs" if len(reasons) == 1 else "need"
        return Severity.BAD, f"{len(reasons)} of {counted(count, 'instance')} {verb} attention: {_named(reasons)}."
    if problems:
        return Severity.BAD, "The instances file has errors."
    if lost_keys:
        where = ", ".join(str(check.destination) for check in lost_keys)
        return Severity.BAD, f"Keys are lost: no key at hand opens backups at {where}."
    subject = "The instance has" if count == 1 else f"All {counted(count, 'instance')} have"
    scheduled = any(row.state.outlook.automatic for row in described)
    good = f"{subject} a good backup {'that is not overdue' if scheduled else 'of the last 24 hours'}"
    if warnings:
        return Severity.WARNING, f"{good}, but {_named(warnings)}."
    return Severity.GOOD, f"{good}."


def _named(reasons: list[str]) -> str:
    more = len(reasons) - NAMED_IN_BANNER
    return "; ".join(reasons[:NAMED_IN_BANNER]) + (f"; and {more} more" if more > 0 else "")


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


def _reason_of_schedule(schedule: BackupSchedule) -> str:
    return f"schedule {schedule} of {schedule.instance} failed: {schedule.last_error.rstrip('.') or 'see its runs'}"


def _reason_of_restore(restore: RestoreExecution) -> str:
    if restore.is_verified:
        return f"the end of a restore of {restore.instance} went wrong"
    return f"{restore.instance} may be half restored"
