"""What became of the runs of the last 24 hours: done, failed, missed, and refused with the reason."""

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backups.models import BackupExecution, BackupSchedule, CopyExecution, RestoreExecution, Run
from backups.service.monitoring.coming import Past, past_runs
from tests.support.rows import a_destination, a_drill, an_execution

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("home")]
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
Status = Run.Status


@pytest.fixture
def now() -> datetime:
    return timezone.now().replace(minute=30, second=0, microsecond=0)


@pytest.fixture
def hourly(now: datetime) -> BackupSchedule:
    return a_schedule("shop", now)


def a_schedule(instance: str, now: datetime, **fields: object) -> BackupSchedule:
    """Return an hourly schedule that runs since six hours and a half: six slots are to have run."""
    return BackupSchedule.objects.create(
        name=f"{instance}-hourly", instance=instance, destination=a_destination(), expression="0 * * * *",
        active_since=now - 6 * HOUR, next_run=now + 30 * MINUTE, **fields,
    )  # fmt: skip


def slot(schedule: BackupSchedule, now: datetime, hours: int, **fields: object) -> BackupExecution:
    at = now - hours * HOUR + 30 * MINUTE
    values: dict[str, object] = {"created_at": at, "started_at": at, "completed_at": at + MINUTE, "scheduled_for": at}
    return an_execution(schedule.instance, schedule=schedule, kind="scheduled", **values | fields)


def counts(past: Past, noun: str = "backup") -> dict[str, int]:
    found: dict[str, int] = {}
    for group in past.groups:
        for what, number in group.counts.items() if group.noun == noun else ():
            found[what] = found.get(what, 0) + number
    return found


def test_runs_are_counted_by_cadence_and_a_failure_has_its_reason(hourly: BackupSchedule, now: datetime) -> None:
    for hours in (1, 2, 3, 4, 5):
        slot(hourly, now, hours)
    failed = slot(hourly, now, 6, status=Status.FAILED, error_message="No space.", error_hint="Free some.")
    an_execution("shop", age=2 * HOUR)
    an_execution("shop", age=timedelta(days=2))
    past = past_runs(now)
    assert [(group.cadence != "", group.counts) for group in past.groups] == [
        (True, {"completed": 5, "failed": 1}),
        (False, {"completed": 1}),
    ]
    (trouble,) = past.troubles
    assert (trouble.what, trouble.schedule, trouble.run) == ("failed", hourly.name, failed)
    assert (trouble.reason, trouble.hint) == ("No space.", "Free some.")


def test_slots_without_a_run_are_missed_unless_a_queued_backup_covered_them(
    hourly: BackupSchedule, now: datetime
) -> None:
    slot(hourly, now, 6)
    # it waited until after the next slot
    slot(hourly, now, 5, started_at=now - 3 * HOUR)
    slot(hourly, now, 1)
    past = past_runs(now)
    assert counts(past) == {"completed": 3, "missed": 2}
    (trouble,) = past.troubles
    assert (trouble.what, trouble.count, trouble.run) == ("missed", 2, None)
    assert trouble.at == now - 90 * MINUTE


def test_slots_whose_run_could_not_be_made_are_refused_with_the_reason(hourly: BackupSchedule, now: datetime) -> None:
    for hours in (6, 5, 4):
        slot(hourly, now, hours)
    refused = {"last_status": "failed", "last_error": "nas is disabled.", "last_run": now - 30 * MINUTE}
    BackupSchedule.objects.update(consecutive_failures=3, **refused)
    past = past_runs(now)
    assert counts(past) == {"completed": 3, "refused": 3}
    assert [(one.what, one.reason) for one in past.troubles] == [("refused", "nas is disabled.")]


def test_the_record_of_a_run_that_failed_is_no_refusal(hourly: BackupSchedule, now: datetime) -> None:
    for hours in (6, 5, 4, 3, 2):
        slot(hourly, now, hours)
    failed = slot(hourly, now, 1, status=Status.FAILED, error_message="No space.")
    BackupSchedule.objects.update(last_status="failed", last_error="No space.", last_run=failed.started_at)
    assert counts(past_runs(now)) == {"completed": 5, "failed": 1}


def test_slots_from_before_a_schedule_was_active_and_those_of_a_paused_one_are_not_missed(now: datetime) -> None:
    a_schedule("shop", now, enabled=False)
    BackupSchedule.objects.filter(pk=a_schedule("wiki", now).pk).update(active_since=now - 20 * MINUTE)
    assert past_runs(now).groups == []


def test_drills_and_restores_are_counted_and_restores_only_for_who_may_see_them(now: datetime) -> None:
    backup = an_execution("shop", age=timedelta(days=3))
    a_drill(backup, age=3 * HOUR, verdict="failed", error_message="It does not open.")
    RestoreExecution.objects.create(
        instance="shop", execution=backup, status="completed", triggered_by="alice", created_at=now - HOUR
    )
    CopyExecution.objects.create(
        instance="shop", copy=backup.copies.get(), status="interrupted", triggered_by="alice", error_message="It died."
    )
    seen, not_seen = past_runs(timezone.now()), past_runs(timezone.now(), with_restores=False)
    assert (counts(seen, "drill"), counts(seen, "restore")) == ({"failed": 1}, {"completed": 1})
    assert counts(not_seen, "restore") == {}
    assert [(one.reason, one.title) for one in not_seen.troubles] == [
        ("It died.", "Copy interrupted"),
        ("It does not open.", "Drill failed"),
    ]


def test_the_queries_do_not_grow_with_schedules_and_runs(now: datetime) -> None:
    numbers = []
    for name in ("shop", "wiki", "site"):
        for index in range(1 if name == "shop" else 8):
            schedule = a_schedule(f"{name}-{index}", now)
            slot(schedule, now, 3)
            slot(schedule, now, 2, status=Status.FAILED)
        with CaptureQueriesContext(connection) as queries:
            past_runs(now)
        numbers.append(len(queries))
    assert numbers[0] == numbers[1] == numbers[2]
