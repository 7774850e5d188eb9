"""Repairing schedules without a next run, or with one that is later than their cadence says."""

import logging

from django.db import transaction
from django.utils import timezone

from backups.errors import BackupError
from backups.lib import audit
from backups.models import BackupSchedule, Heartbeat
from backups.runs.queue.queues import of_queue
from backups.runs.recovery.heartbeats import CLOCK_SKEW, scheduler_name
from backups.service.schedules.planning import RETRY_AFTER, next_runs, plan


def repair_schedules(queue: str) -> None:
    """Plan each enabled schedule of `queue` that has no next run, for example after an error that was corrected.

    When the clock was ahead for a while, also those whose next run was moved too far ahead by it.
    """
    now = timezone.now()
    lost = BackupSchedule.objects.enabled().of_one_instance().filter(next_run=None)
    lost = lost.exclude(type=BackupSchedule.Type.MANUAL)
    for schedule in of_queue(lost, queue):
        _plan(schedule)
    if Heartbeat.objects.filter(name=scheduler_name(queue), beat_at__gt=now + CLOCK_SKEW).exists():
        replan_ahead(queue)


def replan_ahead(queue: str) -> list[str]:
    """Plan each schedule of `queue` again whose next run is later than its cadence says; return their names."""
    now, moved = timezone.now(), []
    ahead = of_queue(BackupSchedule.objects.enabled().filter(next_run__gt=now), queue)
    for schedule in ahead:
        try:
            runs = next_runs(schedule, 1, now=now)
        except BackupError:  # reported when its slot comes
            continue
        late_retry = schedule.retry_at is not None and schedule.retry_at > now + RETRY_AFTER[-1]
        if late_retry or (runs and schedule.next_run is not None and runs[0] < schedule.next_run):
            _plan(schedule)
            moved.append(schedule.name)
            audit.log("schedule.replanned", logging.WARNING, schedule=schedule.name, was=schedule.next_run)
    return moved


def _plan(schedule: BackupSchedule) -> None:
    try:
        with transaction.atomic():
            # it may have been paused or deleted since the query
            row = BackupSchedule.objects.select_for_update().filter(pk=schedule.pk, enabled=True).first()
            if row is not None:
                plan(row)
    except BackupError as error:
        audit.log("schedule.no-next-run", logging.ERROR, schedule=schedule.name, error=error.message)
