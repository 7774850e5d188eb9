"""The front page: whether everything is safe, in one line, and one row for each instance."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Q

from backups.admin import formats
from backups.admin.actions import VIEW, may, sees
from backups.admin.progress import live, with_progress
from backups.instances import Problem, inventory
from backups.log_handlers import log_problem
from backups.models import BackupExecution, DrillExecution, InstanceState, KeyCheck, RestoreExecution, Run
from backups.service.drill_state import DrillState, drill_states
from backups.service.overview import FRESH, Condition, Protection, protections, taken_at
from backups.service.workers import WorkerState, worker_state
from destinations.formats import counted, human_duration
from destinations.models import BackupDestination

LABELS = {
    Condition.SAFE: "Safe",
    Condition.FAILING: "Last attempt failed",
    Condition.LATE: "Late",
    Condition.NEVER: "No backup",
    Condition.DROPPED: "Data dropped",
}
NAMED_IN_BANNER = 3


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
    promise: str


@dataclass(frozen=True, slots=True)
class FrontPage:
    banner: str
    safe: bool
    rows: list[Row]
    problems: tuple[Problem, ...]
    destinations: list[BackupDestination]
    may_run: bool
    may_see_restores: bool
    workers: WorkerState
    lost_keys: list[KeyCheck]
    log_problem: str

    @property
    def pending_rules(self) -> list[BackupDestination]:
        """The destinations whose rule waits for a person: nothing more goes meanwhile."""
        return [destination for destination in self.destinations if destination.rule_pending_since]


def front_page(user: User | AnonymousUser) -> FrontPage | None:
    """Return what `user` sees of the instances; None for those who may not see executions."""
    if not user.has_perm(VIEW):
        return None
    states = protections(with_progress(BackupExecution.objects.all()))
    problems = inventory().problems
    destinations = list(BackupDestination.objects.filter(enabled=True).only("pk", "name", "rule_pending_since"))
    rows = _rows(states, destinations, see_restores=sees(user, RestoreExecution))
    lost_keys = list(KeyCheck.objects.exclude(problem="").select_related("destination"))
    safe = bool(rows) and not problems and not lost_keys and not any(_needs_attention(row) for row in rows)
    return FrontPage(
        banner=_banner(rows, problems, lost_keys),
        safe=safe,
        rows=rows,
        problems=problems,
        destinations=destinations,
        may_run=may(user, "run_backup"),
        may_see_restores=sees(user, RestoreExecution),
        workers=worker_state(),
        lost_keys=lost_keys,
        log_problem=log_problem(),
    )


def _rows(states: list[Protection], destinations: list[BackupDestination], *, see_restores: bool) -> list[Row]:
    names = [state.name for state in states]
    live_restores = _live(RestoreExecution, names) if see_restores else {}
    live_drills = _live(DrillExecution, names)
    notable = Q(restart_required_since__isnull=False) | ~Q(config_problem="")
    notes = InstanceState.objects.filter(notable).in_bulk()
    drills = drill_states(names)
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
            promise=promise_in_words(state.outlook.promise),
        )
        for state in states
    ]


def _live(model: type[Run], names: list[str]) -> dict[str, dict[str, Any]]:
    """Return by instance what runs, or else what waits longest."""
    active = with_progress(model._default_manager.filter(status__in=model.ACTIVE, instance__in=names))
    # running comes after queued, so it is the one that stays
    return {run.instance: live(run) for run in active.order_by("status", "-created_at")}


def label_of(state: Protection, drills: DrillState) -> str:
    if state.condition is Condition.NEVER and drills.failures:
        return "No good backup"
    return LABELS[state.condition]


def _needs_attention(row: Row) -> bool:
    state = row.state
    troubled = state.condition is not Condition.SAFE or state.episode is not None
    return troubled or bool(row.drills.failures) or row.drills.is_overdue


def _banner(rows: list[Row], problems: tuple[Problem, ...], lost_keys: list[KeyCheck]) -> str:
    wrong = {problem.instance for problem in problems if problem.instance}
    count = len(rows) + len(wrong)
    needy = [row for row in rows if _needs_attention(row)]
    needy.sort(key=lambda row: list(Condition).index(row.state.condition))
    reasons = [f"{name} is described wrongly" for name in sorted(wrong)] + [_reason(row) for row in needy]
    if not count:
        return "There is nothing to back up yet: the instances file describes no instance."
    if reasons:
        more = len(reasons) - NAMED_IN_BANNER
        named = "; ".join(reasons[:NAMED_IN_BANNER]) + (f"; and {more} more" if more > 0 else "")
        verb = "needs" if len(reasons) == 1 else "need"
        return f"{len(reasons)} of {counted(count, 'instance')} {verb} attention: {named}."
    if lost_keys:
        return f"Keys are lost: no key at hand opens backups at {', '.join(str(one.destination) for one in lost_keys)}."
    subject = "The instance has" if count == 1 else f"All {counted(count, 'instance')} have"
    promised = any(row.state.outlook.promise for row in rows)
    return f"{subject} a good backup{', as fresh as promised' if promised else ' of the last 24 hours'}."


def promise_in_words(promise: timedelta | None) -> str:
    if promise is None:
        return f"no schedule: judged by {FRESH // timedelta(hours=1)} h"
    return f"every {human_duration(promise)}"


def _reason(row: Row) -> str:
    state = row.state
    if row.drills.failures:
        return f"the last {row.drills.failures[0].word} of {state.name} failed"
    if state.good is None:
        return f"{state.name} has no backup"
    if state.condition is Condition.LATE:
        return f"the last good backup of {state.name} was {formats.age(taken_at(state.good))}"
    if state.condition is Condition.DROPPED:
        return f"data of {state.name} is gone since the backup before"
    if state.condition is Condition.SAFE:
        return f"the drill of {state.name} is overdue"
    return f"the last attempt at {state.name} failed"
