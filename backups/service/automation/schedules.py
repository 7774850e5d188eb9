"""Run schedules: start due slots and retries, pause and resume."""

from collections.abc import Iterable
from copy import copy
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from backups.errors import BackupError
from backups.lib import audit
from backups.models import BackupExecution, BackupSchedule, Run
from backups.runs.queue.queues import of_queue
from backups.service.automation.results import record_refusal
from backups.service.backup.start import Slot, require_startable, start_backup, start_scheduled
from backups.service.schedules import coverage, parts
from backups.service.schedules.cadence import latest_due
from backups.service.schedules.planning import PLANNED_BY, cadence_of, count_from_now, plan, set_further
from destinations.lib.operator_error import sentences
from destinations.models import BackupDestination

Kind, Status = BackupExecution.Kind, Run.Status
# a run that starts later than this after its slot is commented as a missed run
LATE_AFTER = timedelta(minutes=5)
# schedules in one transaction: on SQLite it keeps all other writers waiting
BATCH = 50


def start_due(queue: str) -> list[BackupExecution]:
    """Queue the due slots and retries of the schedules of `queue`; return the backups, which the caller enqueues."""
    now = timezone.now()
    enabled = of_queue(BackupSchedule.objects.enabled(), queue)
    due = enabled.filter(next_run__lte=now) | enabled.filter(retry_at__lte=now)
    started: list[BackupExecution] = []
    pks = list(due.values_list("pk", flat=True))
    for begin in range(0, len(pks), BATCH):
        started += _start_batch(pks[begin : begin + BATCH], now)
    return started


@transaction.atomic
def _start_batch(pks: list[str], now: datetime) -> list[BackupExecution]:
    """Queue what is due of some schedules, with a number of queries that does not depend on how many they are."""
    # read again under the lock: of two processes only one sees that a slot is due
    rows = BackupSchedule.objects.select_for_update(of=("self",)).select_related("destination")
    found = rows.prefetch_related("further__destination").filter(enabled=True).in_bulk(pks)
    waiting = set(BackupExecution.objects.queued().filter(schedule__in=found).values_list("schedule", flat=True))
    started: list[BackupExecution] = []
    planned: list[BackupSchedule] = []
    slots: list[tuple[Slot, str]] = []
    for schedule in (found[pk] for pk in pks if pk in found):
        if schedule.next_run is not None and schedule.next_run <= now:
            since = schedule.next_run
            if (slot := _take_slot(schedule, since, now)) is None:
                continue
            planned.append(schedule)
            # a queued backup of this schedule will contain the data of this slot, too: queued backups do not pile up
            if schedule.pk in waiting:
                audit.log("schedule.slot-covered", schedule=schedule.name, slot=slot.isoformat(), by="a queued backup")
            else:
                slots.append((Slot(schedule, slot, 1), _comment(schedule, _lateness(slot, since, now))))
        elif schedule.retry_at is not None and schedule.retry_at <= now:
            started += _retry(schedule)
    if planned:
        BackupSchedule.objects.bulk_update(planned, ["next_run", "retry_at"])
    return [*started, *_start_all(slots)]


def _take_slot(schedule: BackupSchedule, since: datetime, now: datetime) -> datetime | None:
    """Return the slot that is due, and plan the next run; None where there is none, which is recorded."""
    try:
        cadence = cadence_of(schedule)
        if cadence is None:
            raise BackupError("It is a manual schedule.")
        # only the newest of several missed slots runs: one backup makes up for all of them
        slot = latest_due(cadence, since, now)
        schedule.next_run = cadence.next_after(now)
    except BackupError as error:
        schedule.next_run = None
        record_refusal(schedule, sentences("It has no next run", error.message))
        return None
    schedule.retry_at = None
    return slot


def _lateness(slot: datetime, since: datetime, now: datetime) -> str:
    if slot != since:
        return f"of {slot:%Y-%m-%d %H:%M} UTC; slots were missed since {since:%Y-%m-%d %H:%M} UTC"
    return f"of {slot:%Y-%m-%d %H:%M} UTC, which was missed" if now - slot > LATE_AFTER else ""


def _comment(schedule: BackupSchedule, text: str) -> str:
    return f"schedule {schedule.name} {text}".strip()[:500]


def _retry(schedule: BackupSchedule) -> list[BackupExecution]:
    schedule.retry_at = None
    schedule.save(update_fields=["retry_at"])
    runs = schedule.executions.filter(scheduled_for__isnull=False)
    last = runs.order_by("-scheduled_for", "-attempt").first()
    if last is None or last.scheduled_for is None:
        return []
    slot = Slot(schedule, last.scheduled_for, last.attempt + 1)
    return _start_all([(slot, _comment(schedule, f"attempt {slot.attempt}, after: {last.error_message}"))])


def _start_all(slots: list[tuple[Slot, str]]) -> list[BackupExecution]:
    """Queue a backup for each of `slots` that can have one, and record why the others cannot."""
    startable = []
    for slot, comment in slots:
        schedule = slot.schedule
        try:
            require_startable(schedule.instance, schedule.destinations, Kind.SCHEDULED, by=schedule.actor)
        except BackupError as error:
            record_refusal(schedule, error.message)
        else:
            startable.append((slot, comment))
    if not startable:
        return []
    try:
        with transaction.atomic():
            return start_scheduled(startable)
    except IntegrityError:
        # the constraint on slot and attempt: another process has started one of them
        if len(startable) > 1:
            return [backup for one in startable for backup in _start_all([one])]
        slot, _ = startable[0]
        audit.log("schedule.slot-taken", schedule=slot.schedule.name, slot=slot.scheduled_for)
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
