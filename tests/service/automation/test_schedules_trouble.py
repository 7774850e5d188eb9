"""Schedules in trouble: a long downtime, a wrong clock, rows that change or vanish under a run, listeners that fail."""

import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from pytest_django import Settings

from backups.errors import BackupError
from backups.models import BackupExecution, BackupSchedule, Heartbeat
from backups.runs import finish
from backups.runs.recovery.heartbeats import scheduler_name
from backups.service.automation.by_hand import edit, pause, resume, run_now
from backups.service.automation.schedules import start_due
from backups.service.backup.run import run_backup
from backups.service.schedules.planning import next_runs, plan
from backups.signals import schedule_failed
from backups.worker.tick import tick
from destinations.models import BackupDestination

pytestmark = pytest.mark.django_db(transaction=True)
Status = BackupExecution.Status
QUEUE = "backups"
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@pytest.fixture
def nightly(tacacs_root: Path, destination: BackupDestination, settings: Settings) -> BackupSchedule:
    settings.BACKUP_QUEUE = QUEUE
    return a_schedule("nightly", destination)


@pytest.fixture
def deaf() -> Iterator[list[str]]:
    """Yield the messages that came to a listener which fails each time."""
    heard: list[str] = []

    def listen(sender: object, message: str, **_: Any) -> None:
        heard.append(message)
        raise ConnectionError("the mail server is away")

    schedule_failed.connect(listen)
    yield heard
    schedule_failed.disconnect(listen)


def a_schedule(name: str, destination: BackupDestination, **fields: Any) -> BackupSchedule:
    values = {"instance": "tacacs-hq", "expression": "0 2 * * *", **fields}
    row = BackupSchedule(name=name, destination=destination, **values)
    plan(row)
    return row


def now_of(row: BackupSchedule) -> BackupSchedule:
    return BackupSchedule.objects.get(pk=row.pk)


def change(row: BackupSchedule, **values: Any) -> None:
    BackupSchedule.objects.filter(pk=row.pk).update(**values)


def a_due_run(row: BackupSchedule) -> BackupExecution:
    change(row, next_run=timezone.now() - timedelta(seconds=1))
    (started,) = start_due(QUEUE)
    change(row, next_run=timezone.now() + DAY)
    return started


def fail(execution: BackupExecution) -> None:
    execution.transition(Status.QUEUED, status=Status.RUNNING, started_at=timezone.now())
    finish.fail(execution, OSError("gone"))


@pytest.mark.parametrize(("type_", "expression"), [("interval", "minutes:1"), ("cron", "*/5 8-17 * * 1-5")])
def test_after_a_year_off_one_run_stands_for_all_that_was_missed(
    nightly: BackupSchedule, type_: str, expression: str
) -> None:
    since = timezone.now() - 366 * DAY
    change(nightly, type=type_, expression=expression, next_run=since)
    (started,) = start_due(QUEUE)
    assert started.scheduled_for is not None
    assert started.scheduled_for > timezone.now() - 4 * DAY
    assert started.comment.endswith(f"slots were missed since {since:%Y-%m-%d %H:%M} UTC")
    assert start_due(QUEUE) == []


def test_while_a_run_waits_no_second_one_joins_it(nightly: BackupSchedule, caplog: pytest.LogCaptureFixture) -> None:
    waiting = a_due_run(nightly)
    change(nightly, next_run=timezone.now() - timedelta(seconds=1))
    with caplog.at_level(logging.INFO, "backups"):
        assert start_due(QUEUE) == []
    assert "schedule.slot-covered schedule=nightly" in caplog.text
    assert now_of(nightly).next_run == next_runs(nightly, 1)[0]
    run_backup(waiting.pk)
    assert a_due_run(nightly).pk != waiting.pk


def test_a_schedule_deleted_under_its_run_costs_the_backup_nothing(nightly: BackupSchedule) -> None:
    execution = a_due_run(nightly)
    BackupSchedule.objects.all().delete()
    BackupExecution.objects.update(schedule=None)
    stale = BackupExecution.objects.get(pk=execution.pk)
    stale.schedule_id = nightly.pk
    stale.transition(Status.QUEUED, status=Status.RUNNING, started_at=timezone.now())
    assert finish.fail(stale, OSError("gone"))
    assert BackupExecution.objects.get().status == Status.FAILED
    with pytest.raises(BackupError, match="Schedule nightly was deleted"):
        resume(nightly, by="tests")


def test_a_listener_that_fails_loses_no_failure_and_stops_no_other_schedule(
    nightly: BackupSchedule, deaf: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    closed = BackupDestination.objects.create(name="closed", type="local", config_json={"path": "x"}, enabled=False)
    broken = a_schedule("broken", closed)
    BackupSchedule.objects.update(next_run=timezone.now() - timedelta(seconds=1))
    assert len(start_due(QUEUE)) == 1
    assert deaf == ["Destination closed is disabled."]
    assert now_of(broken).consecutive_failures == 1
    assert "the mail server is away" in caplog.text
    assert start_due(QUEUE) == []
    assert deaf == ["Destination closed is disabled."]


def test_a_run_by_hand_that_succeeds_ends_the_row_of_failures(nightly: BackupSchedule) -> None:
    fail(a_due_run(nightly))
    assert now_of(nightly).retry_at is not None
    run_backup(run_now(now_of(nightly), by="alice").pk)
    row = now_of(nightly)
    assert (row.consecutive_failures, row.last_status, row.retry_at) == (0, "completed", None)


def test_a_run_by_hand_that_fails_counts_and_is_not_tried_again(nightly: BackupSchedule) -> None:
    fail(run_now(now_of(nightly), by="alice"))
    row = now_of(nightly)
    assert (row.consecutive_failures, row.last_status, row.retry_at) == (1, "failed", None)


def test_pausing_while_a_run_or_a_retry_is_under_way_ends_the_attempts(nightly: BackupSchedule) -> None:
    execution = a_due_run(nightly)
    pause(now_of(nightly), by="alice")
    fail(execution)
    assert (now_of(nightly).retry_at, now_of(nightly).consecutive_failures) == (None, 1)
    resume(now_of(nightly), by="alice")
    fail(a_due_run(nightly))
    assert now_of(nightly).retry_at is not None
    pause(now_of(nightly), by="alice")
    resume(now_of(nightly), by="alice")
    assert now_of(nightly).retry_at is None
    assert now_of(nightly).consecutive_failures == 2


def test_an_edit_while_a_run_is_queued_keeps_that_run_and_moves_the_next_one(nightly: BackupSchedule) -> None:
    execution = a_due_run(nightly)
    edited = now_of(nightly)
    edited.expression = "0 4 * * *"
    edit(edited, ["expression"])
    run_backup(execution.pk)
    row = now_of(nightly)
    assert row.last_status == "completed"
    assert row.next_run is not None
    assert row.next_run.hour == 4


def test_a_resume_keeps_what_a_run_noted_meanwhile(nightly: BackupSchedule) -> None:
    seen = now_of(nightly)
    change(nightly, consecutive_failures=5, last_status="failed", enabled=False)
    resume(seen, by="alice")
    assert (now_of(nightly).consecutive_failures, now_of(nightly).enabled) == (5, True)


def test_a_schedule_whose_instance_is_gone_fails_loudly_at_each_slot_and_can_be_paused(
    nightly: BackupSchedule, declare: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    declare("")
    for failures in (1, 2):
        change(nightly, next_run=timezone.now() - timedelta(seconds=1))
        assert start_due(QUEUE) == []
        assert now_of(nightly).consecutive_failures == failures
    assert "There is no instance 'tacacs-hq'" in caplog.text
    call_command("pauseschedule", "nightly")
    assert not now_of(nightly).enabled


@pytest.mark.parametrize("half", ["", "[tacacs-hq]\nkind = ", None], ids=["truncated", "cut", "away"])
def test_a_slot_and_a_retry_wait_while_the_instances_file_is_being_written(
    nightly: BackupSchedule, home: Path, half: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    file, due = home / "instances.toml", timezone.now() - timedelta(seconds=1)
    whole = file.read_text()
    file.unlink() if half is None else file.write_text(half)
    change(nightly, next_run=due, retry_at=due)
    assert start_due(QUEUE) == []
    row = now_of(nightly)
    assert (row.next_run, row.retry_at, row.consecutive_failures, row.last_error) == (due, due, 0, "")
    assert "schedule.waits count=1 schedules=nightly" in caplog.text
    file.write_text(whole)
    (backup,) = start_due(QUEUE)
    assert backup.schedule_id == nightly.pk
    assert now_of(nightly).next_run == next_runs(nightly, 1)[0]


def test_a_clock_that_was_ahead_leaves_no_schedule_in_the_future(
    nightly: BackupSchedule, caplog: pytest.LogCaptureFixture
) -> None:
    tick(QUEUE)
    years = timezone.now() + 3650 * DAY
    change(nightly, next_run=years)
    tick(QUEUE)
    assert now_of(nightly).next_run == years
    Heartbeat.objects.filter(name=scheduler_name(QUEUE)).update(beat_at=years)
    tick(QUEUE)
    assert now_of(nightly).next_run == next_runs(nightly, 1)[0]
    assert "schedule.replanned schedule=nightly" in caplog.text


def test_a_retry_of_a_time_when_the_clock_was_ahead_is_given_up(nightly: BackupSchedule) -> None:
    tick(QUEUE)
    change(nightly, retry_at=timezone.now() + 3 * DAY)
    Heartbeat.objects.filter(name=scheduler_name(QUEUE)).update(beat_at=timezone.now() + 3 * DAY)
    tick(QUEUE)
    assert now_of(nightly).retry_at is None
