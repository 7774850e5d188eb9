"""Schedules: which slots are due, what they start, how it went."""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial

from django.db import IntegrityError, transaction
from django.utils import timezone

from backups.errors import BackupError
from backups.lib import audit
from backups.models import BackupExecution, BackupSchedule, Run
from backups.runs.queue.queues import of_queue
from backups.service.backup.start import Slot, start_backup
from backups.service.schedules.cadence import latest_due
from backups.service.schedules.planning import RETRY_AFTER, cadence_of, plan
from backups.signals import schedule_failed

Kind, Status = BackupExecution.Kind, Run.Status
# a run that begins later than this after its slot says so
LATE = timedelta(minutes=5)


def fire_due(queue: str) -> list[BackupExecution]:
    """Start what is due for the instances of `queue`: slots and retries.

    Return the queued executions; the caller rings for them.
    """
    now = timezone.now()
    enabled = of_queue(BackupSchedule.objects.enabled(), queue)
    due = enabled.filter(next_run__lte=now) | enabled.filter(retry_at__lte=now)
    return [execution for pk in due.values_list("pk", flat=True) for execution in _fire(pk, now)]


def _fire(pk: str, now: datetime) -> list[BackupExecution]:
    """Take the slot and the retry of one schedule; of two processes that try, one gets them."""
    with transaction.atomic():
        rows = BackupSchedule.objects.select_for_update(of=("self",)).select_related("destination")
        schedule = rows.filter(pk=pk, enabled=True).first()
        if schedule is None:
            return []
        if schedule.next_run is not None and schedule.next_run <= now:
            return _take_slot(schedule, schedule.next_run, now)
        if schedule.retry_at is not None and schedule.retry_at <= now:
            return _take_retry(schedule)
    return []


def _take_slot(schedule: BackupSchedule, since: datetime, now: datetime) -> list[BackupExecution]:
    try:
        rhythm = cadence_of(schedule)
        if rhythm is None:
            raise BackupError("it is a manual schedule")
        slot = latest_due(rhythm, since, now)
        schedule.next_run = rhythm.next_after(now)
    except BackupError as error:
        schedule.next_run = None
        _record_failure(schedule, f"it has no next run: {error.message}")
        return []
    schedule.retry_at = None
    schedule.save(update_fields=["next_run", "retry_at"])
    if _waits(schedule):
        audit.log("schedule.slot-covered", schedule=schedule.name, slot=slot.isoformat(), by="a run that still waits")
        return []
    return _start(schedule, Slot(schedule, slot, 1), _missed(since, slot, now))


def _waits(schedule: BackupSchedule) -> bool:
    """True while a run of it waits for its turn: that one will hold what the slot is for, and they do not pile up."""
    return schedule.executions.queued().exists()


def _missed(since: datetime, slot: datetime, now: datetime) -> str:
    if slot != since:
        return f"of {slot:%Y-%m-%d %H:%M} UTC; slots were missed since {since:%Y-%m-%d %H:%M} UTC"
    return f"of {slot:%Y-%m-%d %H:%M} UTC, which was missed" if now - slot > LATE else ""


def _take_retry(schedule: BackupSchedule) -> list[BackupExecution]:
    schedule.retry_at = None
    schedule.save(update_fields=["retry_at"])
    last = schedule.executions.filter(scheduled_for__isnull=False).order_by("-scheduled_for", "-attempt").first()
    if last is None or last.scheduled_for is None:
        return []
    slot = Slot(schedule, last.scheduled_for, last.attempt + 1)
    return _start(schedule, slot, f"attempt {slot.attempt}, after: {last.error_message}")


def _start(schedule: BackupSchedule, slot: Slot, comment: str) -> list[BackupExecution]:
    text = f"schedule {schedule.name} {comment}".strip()[:500]
    try:
        with transaction.atomic():
            return [
                start_backup(
                    schedule.instance,
                    schedule.destination,
                    by=f"schedule {schedule.name}"[:150],
                    kind=Kind.SCHEDULED,
                    comment=text,
                    slot=slot,
                )
            ]
    except IntegrityError:
        audit.log("schedule.slot-taken", schedule=schedule.name, slot=slot.scheduled_for)
        return []
    except BackupError as error:
        _record_failure(schedule, error.message)
        return []


def run_now(schedule: BackupSchedule, *, by: audit.Actor) -> BackupExecution:
    """Queue a run of `schedule` outside its slots. How it ends is noted; it is not tried again. Raises BackupError."""
    execution = start_backup(
        schedule.instance,
        schedule.destination,
        by=by,
        kind=Kind.MANUAL,
        comment=f"schedule {schedule.name}, run now",
        slot=Slot(schedule, None, 1),
    )
    audit.note(by, schedule, f"Run now: {execution.pk}")
    return execution


def edit(schedule: BackupSchedule, fields: Iterable[str]) -> None:
    """Write `fields` of `schedule` into its row; what a tick wrote meanwhile stays. Raises BackupError."""
    changed = set(fields)
    with transaction.atomic():
        row = BackupSchedule.objects.select_for_update().filter(pk=schedule.pk).first()
        if row is None:
            raise BackupError(f"schedule {schedule.name} is gone: somebody deleted it")
        for name in changed:
            setattr(row, name, getattr(schedule, name))
        if changed & {"type", "expression", "time_zone", "enabled"}:
            plan(row)
            schedule.next_run, schedule.retry_at = row.next_run, row.retry_at
        else:
            row.save(update_fields=changed)


def pause(schedule: BackupSchedule, *, by: audit.Actor) -> None:
    """Let `schedule` run no more until it is resumed. Raises BackupError for a declared one."""
    _refuse_declared(schedule)
    schedule.enabled, schedule.next_run, schedule.retry_at = False, None, None
    schedule.save(update_fields=["enabled", "next_run", "retry_at"])
    _tell("paused", schedule, by)


def resume(schedule: BackupSchedule, *, by: audit.Actor) -> None:
    """Let `schedule` run again from its next slot on. Raises BackupError when it has none, or for a declared one."""
    _refuse_declared(schedule)
    schedule.enabled = True
    edit(schedule, ["enabled"])
    _tell("resumed", schedule, by)


def _refuse_declared(schedule: BackupSchedule) -> None:
    if schedule.managed_by:
        reason = f"schedule {schedule.name} is declared in the {schedule.managed_by}"
        raise BackupError(reason, hint="edit it there: the next sync would undo what is done here")


def _tell(what: str, schedule: BackupSchedule, by: audit.Actor) -> None:
    audit.log(f"schedule.{what}", schedule=schedule.name, instance=schedule.instance, by=audit.name_of(by))
    audit.note(by, schedule, f"{what.capitalize()}.")


def record_result(execution: BackupExecution) -> None:
    """Keep on the schedule of `execution`, if it has one, how it ended, and when to try again after a failure."""
    if execution.schedule_id is None:
        return
    with transaction.atomic():
        schedule = BackupSchedule.objects.select_for_update().filter(pk=execution.schedule_id).first()
        if schedule is None:  # somebody deleted it meanwhile
            return
        schedule.last_run, schedule.last_status = execution.started_at or execution.created_at, execution.status
        if execution.status == Status.COMPLETED:
            schedule.consecutive_failures, schedule.retry_at = 0, None
        elif execution.status != Status.CANCELLED:
            if execution.scheduled_for is not None:
                schedule.retry_at = _retry_at(schedule, execution)
            _record_failure(schedule, execution.error_message)
        schedule.save(update_fields=["last_run", "last_status", "consecutive_failures", "retry_at"])


def _retry_at(schedule: BackupSchedule, execution: BackupExecution) -> datetime | None:
    """Return when to try again: after 1, 5 and 15 minutes, unless the next slot comes first."""
    if not schedule.enabled or execution.attempt > len(RETRY_AFTER):
        return None
    at = timezone.now() + RETRY_AFTER[execution.attempt - 1]
    return at if schedule.next_run is None or at < schedule.next_run else None


def _record_failure(schedule: BackupSchedule, message: str) -> None:
    schedule.consecutive_failures += 1
    schedule.last_status = schedule.last_status if schedule.last_status == Status.INTERRUPTED else Status.FAILED
    schedule.save(update_fields=["consecutive_failures", "last_status", "next_run", "retry_at"])
    audit.log(
        "schedule.failed",
        logging.ERROR,
        schedule=schedule.name,
        instance=schedule.instance,
        failures=schedule.consecutive_failures,
        error=message,
    )
    # a receiver may take its time, and the row is locked until the commit
    heard = partial(schedule_failed.send_robust, sender=BackupSchedule, schedule=schedule, message=message)
    transaction.on_commit(heard)
