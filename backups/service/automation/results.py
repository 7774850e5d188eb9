"""The results of schedules: how each run of one ended, or why it could not be started."""

import logging
from functools import partial

from django.db import transaction
from django.utils import timezone

from backups.lib import audit
from backups.models import BackupExecution, BackupSchedule, Run
from backups.service.schedules.planning import RETRY_AFTER
from backups.signals import schedule_failed

Status = Run.Status


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


def record_refusal(schedule: BackupSchedule, message: str) -> None:
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
