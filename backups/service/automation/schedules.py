"""Run schedules: start due slots and retries, pause and resume, and record how each run ended."""

import logging
from collections.abc import Iterable
from copy import copy
from datetime import datetime, timedelta
from functools import partial

from django.db import IntegrityError, transaction
from django.utils import timezone

from backups.errors import BackupError
from backups.lib import audit
from backups.models import BackupExecution, BackupSchedule, Run
from backups.runs.queue.queues import of_queue
from backups.service.backup.start import Slot, start_backup
from backups.service.schedules import coverage, parts
from backups.service.schedules.cadence import latest_due
from backups.service.schedules.planning import PLANNED_BY, RETRY_AFTER, cadence_of, count_from_now, plan, set_further
from backups.signals import schedule_failed
from destinations.lib.operator_error import sentences
from destinations.models import BackupDestination

Kind, Status = BackupExecution.Kind, Run.Status
# a run that starts later than this after its slot is commented as a missed run
LATE_AFTER = timedelta(minutes=5)


def start_due(queue: str) -> list[BackupExecution]:
    """Queue the due slots and retries of the schedules of `queue`; return the backups, which the caller enqueues."""
    now = timezone.now()
    enabled = of_queue(BackupSchedule.objects.enabled(), queue)
    due = enabled.filter(next_run__lte=now) | enabled.filter(retry_at__lte=now)
    started: list[BackupExecution] = []
    for pk in due.values_list("pk", flat=True):
        with transaction.atomic():
            # read again under the lock: of two processes only one sees that the slot is due
            rows = BackupSchedule.objects.select_for_update(of=("self",)).select_related("destination")
            schedule = rows.filter(pk=pk, enabled=True).first()
            if schedule is None:
                continue
            if schedule.next_run is not None and schedule.next_run <= now:
                started += _start_slot(schedule, schedule.next_run, now)
            elif schedule.retry_at is not None and schedule.retry_at <= now:
                schedule.retry_at = None
                schedule.save(update_fields=["retry_at"])
                runs = schedule.executions.filter(scheduled_for__isnull=False)
                last = runs.order_by("-scheduled_for", "-attempt").first()
                if last is not None and last.scheduled_for is not None:
                    slot = Slot(schedule, last.scheduled_for, last.attempt + 1)
                    started += _start(schedule, slot, f"attempt {slot.attempt}, after: {last.error_message}")
    return started


def _start_slot(schedule: BackupSchedule, since: datetime, now: datetime) -> list[BackupExecution]:
    try:
        cadence = cadence_of(schedule)
        if cadence is None:
            raise BackupError("It is a manual schedule.")
        # only the newest of several missed slots runs: one backup makes up for all of them
        slot = latest_due(cadence, since, now)
        schedule.next_run = cadence.next_after(now)
    except BackupError as error:
        schedule.next_run = None
        _record_refusal(schedule, sentences("It has no next run", error.message))
        return []
    schedule.retry_at = None
    schedule.save(update_fields=["next_run", "retry_at"])
    # a queued backup of this schedule will contain the data of this slot, too: queued backups do not pile up
    if schedule.executions.queued().exists():
        audit.log("schedule.slot-covered", schedule=schedule.name, slot=slot.isoformat(), by="a queued backup")
        return []
    comment = ""
    if slot != since:
        comment = f"of {slot:%Y-%m-%d %H:%M} UTC; slots were missed since {since:%Y-%m-%d %H:%M} UTC"
    elif now - slot > LATE_AFTER:
        comment = f"of {slot:%Y-%m-%d %H:%M} UTC, which was missed"
    return _start(schedule, Slot(schedule, slot, 1), comment)


def _start(schedule: BackupSchedule, slot: Slot, comment: str) -> list[BackupExecution]:
    text = f"schedule {schedule.name} {comment}".strip()[:500]
    try:
        with transaction.atomic():
            return [
                start_backup(
                    schedule.instance,
                    schedule.destinations,
                    by=f"schedule {schedule.name}"[:150],
                    kind=Kind.SCHEDULED,
                    comment=text,
                    slot=slot,
                )
            ]
    except IntegrityError:
        # the constraint on slot and attempt: another process has started it
        audit.log("schedule.slot-taken", schedule=schedule.name, slot=slot.scheduled_for)
        return []
    except BackupError as error:
        _record_refusal(schedule, error.message)
        return []


def run_now(schedule: BackupSchedule, *, by: audit.Actor) -> BackupExecution:
    """Queue a backup of `schedule` outside its slots. It is recorded on the schedule, but not retried.

    Raises BackupError.
    """
    backup = start_backup(
        schedule.instance,
        schedule.destinations,
        by=by,
        kind=Kind.MANUAL,
        comment=f"schedule {schedule.name}, run now",
        slot=Slot(schedule, None, 1),
    )
    audit.note(by, schedule, f"Run now: {backup.pk}")
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
    audit.note(by, schedule, f"{what.capitalize()}.")


def record_result(backup: BackupExecution) -> None:
    """Record on the schedule of `backup`, if it has one, how it ended and when a failed one is retried."""
    if backup.schedule_id is None:
        return
    with transaction.atomic():
        schedule = BackupSchedule.objects.select_for_update().filter(pk=backup.schedule_id).first()
        if schedule is None:  # deleted while the backup ran
            return
        schedule.last_run, schedule.last_status = backup.started_at or backup.created_at, backup.status
        if backup.status == Status.COMPLETED:
            schedule.consecutive_failures, schedule.retry_at, schedule.last_error = 0, None, ""
        elif backup.status != Status.CANCELLED:
            if backup.scheduled_for is not None:
                schedule.retry_at = None
                if schedule.enabled and backup.attempt <= len(RETRY_AFTER):
                    at = timezone.now() + RETRY_AFTER[backup.attempt - 1]
                    # no retry that the next slot would overtake
                    if schedule.next_run is None or at < schedule.next_run:
                        schedule.retry_at = at
            _record_failure(schedule, backup.error_message)
        schedule.save(update_fields=["last_run", "last_status", "last_error", "consecutive_failures", "retry_at"])


def _record_refusal(schedule: BackupSchedule, message: str) -> None:
    """Record a run that could not be started: it has no row, and so the schedule keeps the time and the reason."""
    schedule.last_run, schedule.last_status = timezone.now(), Status.FAILED
    schedule.save(update_fields=["last_run", "last_status"])
    _record_failure(schedule, message)


def _record_failure(schedule: BackupSchedule, message: str) -> None:
    schedule.consecutive_failures += 1
    schedule.last_error = message
    # "interrupted" says more than "failed": it is kept
    schedule.last_status = schedule.last_status if schedule.last_status == Status.INTERRUPTED else Status.FAILED
    schedule.save(update_fields=["consecutive_failures", "last_error", "last_status", "next_run", "retry_at"])
    audit.log(
        "schedule.failed",
        logging.ERROR,
        schedule=schedule.name,
        instance=schedule.instance,
        failures=schedule.consecutive_failures,
        error=message,
    )
    # after the commit: a receiver may be slow, and the row is locked until then
    send = partial(schedule_failed.send_robust, sender=BackupSchedule, schedule=schedule, message=message)
    transaction.on_commit(send)
