"""Run schedules: start due slots and retries, and record how each run ended."""

import logging
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from backups.errors import BackupError, InstanceError
from backups.instances import is_settled
from backups.lib import audit
from backups.models import BackupExecution, BackupSchedule, Run
from backups.runs.queue.queues import of_queue
from backups.service.backup.start import Due, Slot, start_scheduled
from backups.service.schedules.cadence import latest_due
from backups.service.schedules.planning import RETRY_AFTER, cadence_of
from backups.signals import schedule_failed
from destinations.lib.formats import listed
from destinations.lib.operator_error import sentences

Status = Run.Status
# a run that starts later than this after its slot is commented as a missed run
LATE_AFTER = timedelta(minutes=5)
# of schedules in one line of the log
MOST_NAMES = 10
# so many schedules are locked at once
AT_ONCE = 100
PAUSE_SECONDS = 0.005


def start_due(queue: str) -> list[BackupExecution]:
    """Queue the due slots and retries of the schedules of `queue`; return the backups, which the caller enqueues.

    Hundreds of slots at once take few queries; each transaction locks the rows of some of them.
    """
    now = timezone.now()
    enabled = of_queue(BackupSchedule.objects.enabled(), queue)
    due = enabled.filter(next_run__lte=now) | enabled.filter(retry_at__lte=now)
    pks = list(due.order_by("pk").values_list("pk", flat=True))
    slots, started = Slots(now), list[BackupExecution]()
    for begin in range(0, len(pks), AT_ONCE):
        if begin:
            # who waits for the lock of SQLite asks for it now and then, and would find no moment between two of them
            time.sleep(PAUSE_SECONDS)
        with transaction.atomic():
            started += _start(pks[begin : begin + AT_ONCE], slots)
    return started


class Slots:
    """The slots that are due at `now`, by cadence: many schedules share one, and a cron expression takes a while."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._known: dict[tuple[str, str, str, datetime], tuple[datetime, datetime]] = {}

    def due(self, schedule: BackupSchedule, since: datetime) -> tuple[datetime, datetime]:
        """Return the newest slot since `since` that is due, and the one after it. Raises BackupError.

        Only the newest of several missed slots runs: one backup makes up for all of them.
        """
        key = (schedule.type, schedule.expression, schedule.time_zone, since)
        if key not in self._known:
            cadence = cadence_of(schedule)
            if cadence is None:
                raise BackupError("It is a manual schedule.")
            self._known[key] = latest_due(cadence, since, self.now), cadence.next_after(self.now)
        return self._known[key]


def _start(pks: Sequence[str], slots: Slots) -> list[BackupExecution]:
    """Queue what is due of the schedules with `pks`, in the caller's transaction."""
    # read again under the lock: of two processes only one sees that a slot is due
    rows = BackupSchedule.objects.select_for_update(of=("self",)).select_related("destination")
    rows = rows.prefetch_related("further__destination").filter(pk__in=pks, enabled=True).order_by("pk")
    now, planned, retried = slots.now, list[Due](), list[BackupSchedule]()
    moved, before = list[BackupSchedule](), dict[str, tuple[datetime | None, datetime | None]]()
    queued = BackupExecution.objects.queued().filter(schedule__in=pks).order_by().values_list("schedule_id", flat=True)
    waiting = set(queued)
    for schedule in rows:
        before[schedule.pk] = schedule.next_run, schedule.retry_at
        if (since := schedule.next_run) is not None and since <= now:
            try:
                slot, schedule.next_run = slots.due(schedule, since)
            except BackupError as error:
                schedule.next_run = None
                _record_refusal(schedule, sentences("It has no next run", error.message))
                continue
            # a queued backup of this schedule will contain the data of this slot, too: queued backups do not pile up
            if schedule.pk in waiting:
                audit.log("schedule.slot-covered", schedule=schedule.name, slot=slot.isoformat(), by="a queued backup")
            else:
                planned.append(Due(Slot(schedule, slot, 1), _comment(schedule, _lateness(slot, since, now))))
        elif schedule.retry_at is not None and schedule.retry_at <= now:
            retried.append(schedule)
        else:
            continue
        schedule.retry_at = None
        moved.append(schedule)
    # before a refusal is recorded in the same rows
    BackupSchedule.objects.bulk_update(moved, ["next_run", "retry_at"])
    started, refused = start_scheduled([*planned, *_retries(retried)])
    waiting_for_file, unclear = list[BackupSchedule](), ""
    for due, reason in refused:
        schedule = due.slot.schedule
        if isinstance(reason, InstanceError) and not is_settled():
            # it is not known what the file describes: the slot, or the retry, stays due
            schedule.next_run, schedule.retry_at = before[schedule.pk]
            waiting_for_file.append(schedule)
            unclear = reason.message
        else:
            _record_refusal(schedule, reason.message)
    if waiting_for_file:
        BackupSchedule.objects.bulk_update(waiting_for_file, ["next_run", "retry_at"])
        # one line, as this may go on each minute
        names = listed([schedule.name for schedule in waiting_for_file[:MOST_NAMES]])
        audit.log("schedule.waits", logging.WARNING, count=len(waiting_for_file), schedules=names, error=unclear)
    return started


def _retries(schedules: Sequence[BackupSchedule]) -> list[Due]:
    """Return the next attempt at the last slot of each of `schedules`."""
    if not schedules:
        return []
    runs = BackupExecution.objects.filter(schedule=OuterRef("pk"), scheduled_for__isnull=False)
    last = Subquery(runs.order_by("-scheduled_for", "-attempt").values("pk")[:1])
    rows = BackupSchedule.objects.filter(pk__in=[row.pk for row in schedules]).order_by()
    pks = [pk for pk in rows.annotate(last=last).values_list("last", flat=True) if pk is not None]
    attempts = {run.schedule_id: run for run in BackupExecution.objects.without_manifest().filter(pk__in=pks)}
    found = []
    for schedule in schedules:
        run = attempts.get(schedule.pk)
        if run is not None and run.scheduled_for is not None:
            slot = Slot(schedule, run.scheduled_for, run.attempt + 1)
            text = f"attempt {slot.attempt}, after: {run.error_message}"
            found.append(Due(slot, _comment(schedule, text)))
    return found


def _lateness(slot: datetime, since: datetime, now: datetime) -> str:
    if slot != since:
        return f"of {slot:%Y-%m-%d %H:%M} UTC; slots were missed since {since:%Y-%m-%d %H:%M} UTC"
    return f"of {slot:%Y-%m-%d %H:%M} UTC, which was missed" if now - slot > LATE_AFTER else ""


def _comment(schedule: BackupSchedule, text: str) -> str:
    return f"schedule {schedule.name} {text}".strip()[:500]


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
