"""Schedules as rows: one run a slot, retries after failures, missed slots once, pause and resume."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError, connection
from django.utils import timezone
from pytest_django import Settings

from backups.models import BackupExecution, BackupSchedule
from backups.runs import finish
from backups.service.automation.by_hand import pause, resume
from backups.service.automation.schedules import start_due
from backups.service.backup.run import run_backup
from backups.service.schedules.freshness import max_ages
from backups.service.schedules.planning import next_runs, plan
from backups.service.schedules.repair import repair_schedules
from backups.signals import schedule_failed
from destinations.models import BackupDestination

pytestmark = pytest.mark.django_db
Status = BackupExecution.Status
QUEUE = "backups"


@pytest.fixture
def nightly(tacacs_root: Path, destination: BackupDestination, settings: Settings) -> BackupSchedule:
    settings.BACKUP_QUEUE = QUEUE
    row = BackupSchedule(name="nightly", instance="tacacs-hq", destination=destination, expression="0 2 * * *")
    plan(row)
    return row


def due(row: BackupSchedule, *, ago: timedelta = timedelta(seconds=10)) -> None:
    BackupSchedule.objects.filter(pk=row.pk).update(next_run=timezone.now() - ago)


def ended(execution: BackupExecution, error: Exception) -> BackupSchedule:
    """End `execution` as its process would, and return its schedule as it is then."""
    execution.transition(Status.QUEUED, status=Status.RUNNING, started_at=timezone.now())
    finish.fail(execution, error)
    assert execution.schedule is not None
    return BackupSchedule.objects.get(pk=execution.schedule.pk)


def test_nothing_runs_before_its_time(nightly: BackupSchedule) -> None:
    assert start_due(QUEUE) == []
    assert BackupExecution.objects.count() == 0


def test_a_due_slot_starts_one_run_and_moves_on(nightly: BackupSchedule) -> None:
    due(nightly)
    (started,) = start_due(QUEUE)
    assert (started.kind, started.status, started.instance) == ("scheduled", "queued", "tacacs-hq")
    assert started.triggered_by == "schedule nightly"
    assert start_due(QUEUE) == []
    nightly.refresh_from_db()
    assert nightly.next_run == next_runs(nightly, 1)[0]


def test_a_slot_that_another_process_took_is_not_started_again(nightly: BackupSchedule) -> None:
    due(nightly)
    slot = BackupSchedule.objects.get(pk=nightly.pk).next_run
    (started,) = start_due(QUEUE)
    BackupSchedule.objects.filter(pk=nightly.pk).update(next_run=slot)
    assert start_due(QUEUE) == []
    assert list(BackupExecution.objects.all()) == [started]


def test_the_database_itself_refuses_a_second_run_of_a_slot(nightly: BackupSchedule) -> None:
    due(nightly)
    (started,) = start_due(QUEUE)
    with pytest.raises(IntegrityError):
        BackupExecution.objects.create(
            instance="tacacs-hq",
            destination=nightly.destination,
            triggered_by="alice",
            schedule=nightly,
            scheduled_for=started.scheduled_for,
        )


@pytest.mark.django_db(transaction=True)
def test_two_threads_that_fire_at_once_start_one_run(nightly: BackupSchedule) -> None:
    due(nightly)
    barrier = threading.Barrier(2)
    found: list[int] = []

    def fire() -> None:
        barrier.wait()
        found.append(len(start_due(QUEUE)))
        connection.close()

    threads = [threading.Thread(target=fire) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [0, 1]
    assert BackupExecution.objects.count() == 1


def test_slots_that_were_missed_run_once_and_say_so(nightly: BackupSchedule) -> None:
    due(nightly, ago=timedelta(days=3, hours=2))
    (started,) = start_due(QUEUE)
    assert "; slots were missed since 20" in started.comment
    assert started.scheduled_for is not None
    assert started.scheduled_for > timezone.now() - timedelta(days=1)
    assert start_due(QUEUE) == []


def test_a_paused_schedule_runs_nothing_and_resumes_at_its_next_slot(nightly: BackupSchedule) -> None:
    due(nightly)
    pause(BackupSchedule.objects.get(pk=nightly.pk), by="tests")
    assert start_due(QUEUE) == []
    row = BackupSchedule.objects.get(pk=nightly.pk)
    resume(row, by="tests")
    assert row.next_run is not None
    assert row.next_run > timezone.now()


def test_a_schedule_of_another_queue_is_left_alone(nightly: BackupSchedule) -> None:
    due(nightly)
    assert start_due("elsewhere") == []
    assert len(start_due(QUEUE)) == 1


def test_a_failure_is_tried_again_after_one_five_and_fifteen_minutes(nightly: BackupSchedule) -> None:
    far = timezone.now() + timedelta(days=1)
    due(nightly)
    (execution,) = start_due(QUEUE)
    for attempt, minutes in enumerate((1, 5, 15), start=1):
        BackupSchedule.objects.filter(pk=nightly.pk).update(next_run=far)
        row = ended(execution, OSError("gone"))
        assert (row.consecutive_failures, row.last_status) == (attempt, "failed")
        assert row.retry_at is not None
        assert abs(row.retry_at - timezone.now() - timedelta(minutes=minutes)) < timedelta(seconds=5)
        assert start_due(QUEUE) == []
        BackupSchedule.objects.filter(pk=nightly.pk).update(retry_at=timezone.now())
        (execution,) = start_due(QUEUE)
        assert execution.attempt == attempt + 1
    BackupSchedule.objects.filter(pk=nightly.pk).update(next_run=far)
    row = ended(execution, OSError("gone"))
    assert (row.retry_at, row.consecutive_failures) == (None, 4)


def test_no_retry_is_planned_when_the_next_slot_comes_first(nightly: BackupSchedule) -> None:
    due(nightly)
    (execution,) = start_due(QUEUE)
    BackupSchedule.objects.filter(pk=nightly.pk).update(next_run=timezone.now() + timedelta(seconds=30))
    assert ended(execution, OSError("gone")).retry_at is None


@pytest.mark.django_db(transaction=True)
def test_a_success_clears_the_failures(nightly: BackupSchedule) -> None:
    BackupSchedule.objects.filter(pk=nightly.pk).update(consecutive_failures=3)
    due(nightly)
    (execution,) = start_due(QUEUE)
    run_backup(execution.pk)
    row = BackupSchedule.objects.get(pk=nightly.pk)
    assert (row.consecutive_failures, row.last_status, row.retry_at) == (0, "completed", None)
    assert row.last_run is not None


@pytest.mark.django_db(transaction=True)
def test_a_run_that_cannot_even_start_counts_as_a_failure_and_is_signalled(nightly: BackupSchedule) -> None:
    heard = []

    def receive(sender: object, schedule: BackupSchedule, message: str, **_: object) -> None:
        heard.append(message)

    schedule_failed.connect(receive)
    try:
        BackupDestination.objects.update(enabled=False)
        due(nightly)
        assert start_due(QUEUE) == []
    finally:
        schedule_failed.disconnect(receive)
    nightly.refresh_from_db()
    assert nightly.consecutive_failures == 1
    assert heard == ["Destination nas is disabled."]
    assert nightly.next_run is not None
    assert nightly.next_run > timezone.now()


def test_a_schedule_that_lost_its_next_run_gets_one_again(nightly: BackupSchedule) -> None:
    BackupSchedule.objects.filter(pk=nightly.pk).update(next_run=None)
    repair_schedules(QUEUE)
    nightly.refresh_from_db()
    assert nightly.next_run is not None


def test_the_strictest_schedule_is_the_promise(nightly: BackupSchedule) -> None:
    assert max_ages(["tacacs-hq"]) == {"tacacs-hq": timedelta(hours=25)}
    plan(
        BackupSchedule(
            name="often", instance="tacacs-hq", destination=nightly.destination, type="interval", expression="hours:6"
        )
    )
    assert max_ages(["tacacs-hq"]) == {"tacacs-hq": timedelta(hours=7)}
    assert max_ages(["unknown"]) == {}
    BackupSchedule.objects.update(enabled=False)
    assert max_ages(["tacacs-hq"]) == {}


def test_a_schedule_that_cannot_be_read_promises_so_little_that_nothing_is_pruned(nightly: BackupSchedule) -> None:
    BackupSchedule.objects.update(expression="0 3 31 2 *")
    assert max_ages(["tacacs-hq"]) == {"tacacs-hq": timedelta(hours=1)}


def output_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    call_command(*arguments)
    return capsys.readouterr().out


def test_commands_add_list_pause_resume_and_run(
    tacacs_root: Path, destination: BackupDestination, capsys: pytest.CaptureFixture[str]
) -> None:
    added = output_of(capsys, "addschedule", "hourly", "--instance", "tacacs-hq", "--cron", "0 * * * *")
    assert added.startswith("hourly: tacacs-hq to nas, cron 0 * * * * (UTC), next ")
    assert "paused" in output_of(capsys, "pauseschedule", "hourly")
    assert "next 20" in output_of(capsys, "resumeschedule", "hourly")
    assert "hourly: tacacs-hq" in output_of(capsys, "listschedules")
    assert output_of(capsys, "runschedule", "hourly").startswith("queued as ")
    assert BackupExecution.objects.get().comment == "schedule hourly, run now"


@pytest.mark.parametrize(
    ("arguments", "added"),
    [
        (["addschedule", "x", "--instance", "nowhere", "--cron", "0 2 * * *"], "no instance 'nowhere'"),
        (["addschedule", "x", "--instance", "tacacs-hq", "--cron", "0 3 31 2 *"], "a day that never comes"),
        (["addschedule", "x", "--instance", "tacacs-hq", "--interval", "often"], "is not an interval."),
        (["addschedule", "x y", "--instance", "tacacs-hq", "--manual"], "Use letters, digits"),
        (["pauseschedule", "nothing"], "no schedule 'nothing'"),
    ],
)
def test_commands_refuse_with_one_sentence(
    tacacs_root: Path, destination: BackupDestination, arguments: list[str], added: str
) -> None:
    with pytest.raises(CommandError, match=added):
        call_command(*arguments)
    assert BackupSchedule.objects.count() == 0
