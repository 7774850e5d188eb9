"""Gathers the facts that verdicts are made of, from rows only: no file and no destination is opened."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db.models import Q

from backups.instances import get_instance, inventory
from backups.models import (
    BackupCopy,
    BackupExecution,
    BackupSchedule,
    InstanceState,
    KeyCheck,
    RestoreExecution,
    RetentionPass,
)
from backups.models.columns import AbsentComponent
from backups.models.querysets import BackupQuerySet
from backups.service.drops.episodes import named
from backups.service.drops.holdings import Drop
from backups.service.monitoring.drills import drill_states, opened_by
from backups.service.monitoring.lacking import Flaws, flaws
from backups.service.monitoring.protection import Protection, protections
from backups.service.monitoring.verdict.facts import CopyFact, Facts, OffTrend, Place
from backups.service.restore.ending.half_restored import not_rolled_back
from destinations.exceptions import DestinationConfigError
from destinations.models import BackupDestination

# what pages and verdicts read of a copy of the newest good backup
COPY_COLUMNS = (
    *("execution_id", "destination_id", "position", "created_at", "state", "missing_at", "damaged_at", "attempts"),
    *("size_bytes", "encryption", "recipients", "error", "error_hint"),
)


class Note(NamedTuple):
    """What the row of an instance says beside its runs."""

    restart_since: datetime | None = None
    restart_by: str = ""
    config_problem: str = ""
    absent: Sequence[AbsentComponent] | None = None


def facts_of(
    names: Sequence[str] | None = None,
    *,
    backups: BackupQuerySet | None = None,
    counts: Flaws | None = None,
    half_restored: Sequence[RestoreExecution] | None = None,
) -> list[Facts]:
    """Return the facts of each instance of `names`, by default of all that are watched.

    The number of queries is constant. `backups` selects the columns of the rows, by default those of `protections`;
    `counts` are flaws that were counted already, and `half_restored` the restores that were not rolled back, where they
    were asked for already.
    """
    halves = not_rolled_back() if half_restored is None else half_restored
    names = watched_names(halves) if names is None else names
    described, errors = inventory().instances, dict[str, list[str]]()
    for problem in inventory().problems:
        errors.setdefault(problem.instance, []).append(problem.message)
    states = protections(backups, names)
    drills = drill_states(names)
    copies = _copies_of([state.good for state in states if state.good is not None])
    opened = opened_by([state.proof for state in drills.values() if state.proof is not None])
    counts = flaws() if counts is None else counts
    # the newest of each, so the oldest is taken first
    broken = {restore.instance: restore for restore in reversed(halves)}
    notes = _notes_of(names)
    found = []
    for state in states:
        name = state.name
        note = notes.get(name, Note())
        found.append(
            Facts(
                protection=state,
                drills=drills[name],
                is_described=name in described,
                copies=tuple(copies.get(state.good.pk, ())) if state.good else (),
                missing=counts.missing.get(name, 0),
                damaged=counts.damaged.get(name, 0),
                lacking=counts.lacking.get(name, 0),
                half_restored=broken.get(name),
                restart_since=note.restart_since,
                restart_by=note.restart_by,
                config_errors=() if name in described else tuple(errors.get(name, errors.get("", []))),
                config_problem=note.config_problem,
                off_trend=_off_trend(state),
                opened=opened.get(name),
                absent=tuple(note.absent or ()) if name in described else (),
            )
        )
    return found


def _notes_of(names: Sequence[str]) -> dict[str, Note]:
    columns = ("instance", "restart_required_since", "restart_required_by", "config_problem", "absent_components")
    rows = InstanceState.objects.of_instances(names).values_list(*columns)
    return {name: Note(*note) for name, *note in rows}


def require_known(name: str) -> None:
    """Raise InstanceError for a name that neither the instances file nor the history has."""
    if name not in watched_names() and not BackupExecution.objects.of_instance(name).exists():
        get_instance(name)


def watched_names(half_restored: Sequence[RestoreExecution] | None = None) -> list[str]:
    """Return the instances of the file, with mistakes or not, those of schedules, and half-restored ones.

    Of a paused schedule only those that it no longer covers.

    Another one that is gone from the file is not watched: its backups may stay. `half_restored` are the restores that
    were not rolled back, where they were asked for already.
    """
    found = inventory()
    names = {*found.instances, *(problem.instance for problem in found.problems if problem.instance)}
    # of a file that cannot be read it is not known what it describes
    schedules = BackupSchedule.objects.of_one_instance().filter(Q(enabled=True) | Q(left_at__isnull=False))
    scheduled = schedules.order_by().values_list("instance", flat=True)
    broken = not_rolled_back() if half_restored is None else half_restored
    return sorted({*names, *scheduled, *(restore.instance for restore in broken)})


def places(ids: Sequence[str] | None = None) -> dict[str, Place]:
    """Return the destinations with `ids`, by default all, by their id."""
    rows = BackupDestination.objects.all() if ids is None else BackupDestination.with_removed.filter(pk__in=ids)
    checks, passes = KeyCheck.objects.order_by().in_bulk(), RetentionPass.objects.order_by().in_bulk()
    return {row.pk: Place(row, _leaves_machine(row), checks.get(row.pk), passes.get(row.pk)) for row in rows}


def _leaves_machine(row: BackupDestination) -> bool:
    """False also for a type that is unknown here: of what no release at hand can read nothing is known."""
    try:
        return row.leaves_this_machine
    except DestinationConfigError:
        return False


def _off_trend(state: Protection) -> tuple[OffTrend, ...]:
    """Return what is off the trend in the newest backup, by component."""
    found: dict[str, list[Drop]] = {}
    for drop in state.episode.off_trend if state.episode else ():
        found.setdefault(drop.component, []).append(drop)
    return tuple(
        OffTrend(component, f"The amount of data of {state.name} is off its trend: {'; '.join(named(drops))}.")
        for component, drops in found.items()
    )


def _copies_of(backups: Sequence[BackupExecution]) -> dict[str, list[CopyFact]]:
    """Return the copies of each of `backups` by its id, without those that were deleted."""
    rows = BackupCopy.objects.filter(execution__in=[backup.pk for backup in backups])
    copies = list(rows.exclude(state=BackupCopy.State.DELETED).only(*COPY_COLUMNS))
    known = places(sorted({copy.destination_id for copy in copies}))
    found: dict[str, list[CopyFact]] = {}
    for copy in copies:
        found.setdefault(copy.execution_id, []).append(CopyFact(copy, known[copy.destination_id]))
    return found
