"""Schedules: which slots are due, what they start, how it went."""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.dispatch import receiver
from django.utils import timezone

from backups.cadence import latest_due
from backups.errors import BackupError
from backups.models import BackupExecution, BackupSchedule, Run
from backups.service import audit
from backups.service.backup import Slot, start_backup
from backups.service.queues import of_queue
from backups.service.rhythm import cadence_of, plan
from backups.signals import execution_finished, schedule_failed

Kind, Status = BackupExecution.Kind, Run.Status
# a run that begins later than this after its slot says so
LATE = timedelta(minutes=5)
RETRY_AFTER = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))


def fire_due(queue: str) -> list[BackupExecution]:
    """Start what is due for the instances of `queue`: slots and retries.

    Return the queued executions; the caller rings for them.
    """
    now = timezone.now()
    enabled = of_queue(BackupSchedule.objects.filter(enabled=True), queue)
    due = enabled.filter(next_run__lte=now) | enabled.filter(retry_at__lte=now)
    return [execution for pk in due.values_list("pk", flat=True) for execution in _fire(pk, now)]


def _fire(pk: str, now: datetime) -> list[BackupExecution]:
    """Take the slot and the retry of one schedule; of two processes that try, one gets them."""
    with transaction.atomic():
        schedule = BackupSchedule.objects.select_for_update().select_related("destination").get(pk=pk)
        if not schedule.enabled:
            return []
        if schedule.next_run is not None and schedule.next_run <= now:
            return _take_slot(schedule, schedule.next_run, now)
        if schedule.retry_at is not None and schedule.retry_at <= now:
            return _take_retry(schedule)
    return []


def _take_slot(schedule: BackupSchedule, since: datetime, now: datetime) -> list[BackupExecution]:
    try:
        rhythm = cadence_of(schedule)
        assert rhythm is not None  # noqa: S101 - a manual one has no next run
        slot = latest_due(rhythm, since, now)
        schedule.next_run = rhythm.next_after(now)
    except BackupError as error:
        schedule.next_run = None
        _record_failure(schedule, f"it has no next run: {error.message}")
        return []
    schedule.retry_at = None
    schedule.save(update_fields=["next_run", "retry_at"])
    comment = f"of {since:%Y-%m-%d %H:%M} UTC, which was missed" if now - slot > LATE or slot != since else ""
    return _start(schedule, Slot(schedule, slot, 1), comment)


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
        audit.log("schedule.slot-taken", schedule=schedule.name, slot=slot.scheduled_for.isoformat())
        return []
    except BackupError as error:
        _record_failure(schedule, error.message)
        return []


def run_now(schedule: BackupSchedule, *, by: audit.Actor) -> BackupExecution:
    """Queue a run of `schedule` outside its slots. Raises BackupError."""
    execution = start_backup(
        schedule.instance, schedule.destination, by=by, kind=Kind.MANUAL, comment=f"schedule {schedule.name}, run now"
    )
    audit.note(by, schedule, f"Run now: {execution.pk}")
    return execution


def edit(schedule: BackupSchedule, fields: Iterable[str]) -> None:
    """Write `fields` of `schedule` into its row; what a tick wrote meanwhile stays. Raises BackupError."""
    changed = set(fields)
    with transaction.atomic():
        row = BackupSchedule.objects.select_for_update().get(pk=schedule.pk)
        for name in changed:
            setattr(row, name, getattr(schedule, name))
        if changed & {"type", "expression", "time_zone"}:
            plan(row)
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
    plan(schedule)
    _tell("resumed", schedule, by)


def _refuse_declared(schedule: BackupSchedule) -> None:
    if schedule.managed_by:
        reason = f"schedule {schedule.name} is declared in the {schedule.managed_by}"
        raise BackupError(reason, hint="edit it there: the next sync would undo what is done here")


def _tell(what: str, schedule: BackupSchedule, by: audit.Actor) -> None:
    audit.log(f"schedule.{what}", schedule=schedule.name, instance=schedule.instance, by=audit.name_of(by))
    audit.note(by, schedule, f"{what.capitalize()}.")


@receiver(execution_finished)
def note_result(sender: type[Run], execution: Run, **_: Any) -> None:
    """Keep on the schedule how its latest run ended, and when to try again after a failure."""
    if not isinstance(execution, BackupExecution) or execution.schedule_id is None:
        return
    with transaction.atomic():
        schedule = BackupSchedule.objects.select_for_update().get(pk=execution.schedule_id)
        schedule.last_run, schedule.last_status = execution.started_at, execution.status
        if execution.status == Status.COMPLETED:
            schedule.consecutive_failures, schedule.retry_at = 0, None
        elif execution.status != Status.CANCELLED:
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
    schedule_failed.send(sender=BackupSchedule, schedule=schedule, message=message)


def repair() -> None:
    """Give a next run to every enabled schedule that lost it, for example by an error that has been mended since."""
    lost = BackupSchedule.objects.filter(enabled=True, next_run=None).exclude(type=BackupSchedule.Type.MANUAL)
    for schedule in lost:
        try:
            plan(schedule)
        except BackupError as error:
            audit.log("schedule.no-next-run", logging.ERROR, schedule=schedule.name, error=error.message)


def find_schedule(name: str) -> BackupSchedule:
    schedule = BackupSchedule.objects.select_related("destination").filter(name=name).first()
    if schedule is None:
        raise BackupError(f"there is no schedule {name!r}", hint="`listschedules` prints their names")
    return schedule


def describe_schedule(schedule: BackupSchedule) -> dict[str, Any]:
    """Return what a script may want to know; times in ISO 8601."""
    moments = {name: getattr(schedule, name) for name in ("next_run", "last_run", "retry_at", "created_at")}
    return {
        "id": schedule.pk,
        "name": schedule.name,
        "instance": schedule.instance,
        "destination": schedule.destination.name,
        "type": schedule.type,
        "expression": schedule.expression,
        "time_zone": schedule.time_zone,
        "enabled": schedule.enabled,
        "last_status": schedule.last_status,
        "consecutive_failures": schedule.consecutive_failures,
        "managed_by": schedule.managed_by,
    } | {name: moment.isoformat() if moment else None for name, moment in moments.items()}


def summary(schedule: BackupSchedule) -> str:
    when = f"next {schedule.next_run:%Y-%m-%d %H:%M} UTC" if schedule.next_run else "no next run"
    state = when if schedule.enabled else "paused"
    rhythm = f"{schedule.type} {schedule.expression}".strip()
    last = f"last {schedule.last_status}" if schedule.last_status else "has not run"
    where = f"{schedule.instance} to {schedule.destination.name}"
    return f"{schedule.name}: {where}, {rhythm} ({schedule.time_zone}), {state}, {last}"
