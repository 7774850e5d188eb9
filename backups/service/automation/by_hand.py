"""What a person does with a schedule: add, change, pause, resume, and run it now."""

from collections.abc import Iterable
from copy import copy

from django.db import transaction

from backups.errors import BackupError
from backups.lib import audit
from backups.models import BackupExecution, BackupSchedule
from backups.service.backup.start import Slot, start_backup
from backups.service.schedules import coverage, parts
from backups.service.schedules.planning import PLANNED_BY, count_from_now, plan, set_further
from destinations.models import BackupDestination


def run_now(schedule: BackupSchedule, *, by: audit.Actor) -> BackupExecution:
    """Queue a backup of `schedule` outside its slots. It is recorded on the schedule, but not retried.

    Raises BackupError.
    """
    backup = start_backup(
        schedule.instance,
        schedule.destinations,
        by=by,
        kind=BackupExecution.Kind.MANUAL,
        comment=f"schedule {schedule.name}, run now",
        slot=Slot(schedule, None, 1),
    )
    audit.note(by, schedule.parent or schedule, f"Run now{_for(schedule)}: {backup.pk}")
    return backup


def add(schedule: BackupSchedule, further: Iterable[BackupDestination]) -> None:
    """Save the new `schedule`, with its `further` destinations and its next runs. Raises BackupError."""
    with transaction.atomic():
        plan(schedule)
        set_further(schedule, further)
        coverage.cover_now(schedule)


def edit(schedule: BackupSchedule, fields: Iterable[str]) -> None:
    """Write `fields` of `schedule` to its row and plan the next run if the cadence changed. Raises BackupError.

    Its parts follow; with another scope, so do the instances that it covers.
    """
    changed = set(fields)
    if changed & coverage.SCOPE:
        changed |= coverage.SCOPE
    with transaction.atomic():
        # `schedule` may have been read minutes ago: the other columns, such as next_run, stay as a tick wrote them
        row = BackupSchedule.objects.select_for_update().filter(pk=schedule.pk).first()
        if row is None:
            raise BackupError(f"Schedule {schedule.name} was deleted.")
        was, before = copy(row), {name: getattr(row, name) for name in PLANNED_BY}
        for name in changed:
            setattr(row, name, getattr(schedule, name))
        if changed & PLANNED_BY:
            count_from_now(row, before)
            plan(row)
        else:
            row.save(update_fields=changed)
        parts.repeat(row)
        if changed & coverage.SCOPE:
            parts.take_scope(row, was)
            coverage.cover_now(row)
        schedule.next_run, schedule.retry_at = row.next_run, row.retry_at


def pause(schedule: BackupSchedule, *, by: audit.Actor) -> None:
    """Disable `schedule` until it is resumed: a part for its instance alone, another one for all that it covers.

    Raises BackupError for a declared one.
    """
    require_undeclared(schedule)
    with transaction.atomic():
        schedule.enabled, schedule.next_run, schedule.retry_at = False, None, None
        schedule.paused_here = schedule.is_part
        schedule.save(update_fields=["enabled", "paused_here", "next_run", "retry_at"])
        parts.repeat(schedule)
    _log_change("paused", schedule, by)


def resume(schedule: BackupSchedule, *, by: audit.Actor) -> None:
    """Enable `schedule` from its next slot on. Raises BackupError when it has none, or for a declared one.

    A part that was paused for its instance stays paused when all the others are resumed.
    """
    require_undeclared(schedule)
    if schedule.left_at is not None:
        raise BackupError(f"Schedule {schedule.name} no longer covers {schedule.instance}.")
    if schedule.parent is not None and not schedule.parent.enabled:
        raise BackupError(
            f"Schedule {schedule.name} is paused for all its instances.",
            hint=f"`resumeschedule {schedule.name}` resumes it.",
        )
    schedule.enabled, schedule.paused_here = True, False
    edit(schedule, ["enabled", "paused_here"])
    _log_change("resumed", schedule, by)


def require_undeclared(schedule: BackupSchedule) -> None:
    """Raise BackupError for a schedule that the configuration of a service declares."""
    if schedule.managed_by:
        raise BackupError(
            f"Schedule {schedule.name} is declared in the {schedule.managed_by}.",
            hint="Edit it there: the next sync would undo a change made here.",
        )


def _log_change(what: str, schedule: BackupSchedule, by: audit.Actor) -> None:
    audit.log(f"schedule.{what}", schedule=schedule.name, instance=schedule.instance, by=audit.name_of(by))
    # in the history of what a person knows as the schedule
    audit.note(by, schedule.parent or schedule, f"{what.capitalize()}{_for(schedule)}.")


def _for(schedule: BackupSchedule) -> str:
    return f" for {schedule.instance}" if schedule.is_part else ""
