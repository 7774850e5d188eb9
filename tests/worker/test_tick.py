"""The tick: its steps, its heartbeat, and its row of the scheduler."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.utils import timezone
from django_q.models import OrmQ, Schedule
from pytest_django import Settings

from backups.errors import BackupError
from backups.lib import locks
from backups.models import BackupExecution, Heartbeat
from backups.runs import workspace
from backups.worker import tick as housekeeping
from backups.worker.tick import keep_tick, tick
from tests.support.rows import an_execution
from tests.support.site_fixtures import Declare

pytestmark = pytest.mark.django_db
Status = BackupExecution.Status


def test_the_tick_is_scheduled_once_a_minute_for_its_queue(home: Path, settings: Settings) -> None:
    row = Schedule.objects.get(name="backupsite tick backups")

    assert (row.func, row.cron, row.cluster, row.args) == (
        "backups.worker.tick.tick", "* * * * *", settings.BACKUP_QUEUE, "('backups',)",
    )  # fmt: skip
    assert row.schedule_type == Schedule.CRON
    assert row.repeats == -1


@pytest.mark.parametrize(
    "damage",
    [
        {"cron": "0 0 1 1 *"},
        {"func": "os.system"},
        {"cluster": "other"},
        {"repeats": 0},
        {"schedule_type": Schedule.DAILY},
        {"hook": "os.abort"},
        {"args": "('elsewhere',)"},
        {"next_run": None},
        {"next_run": timezone.now() + timedelta(days=300)},
    ],
    ids=lambda damage: next(iter(damage)),
)
def test_the_schedule_of_the_tick_is_repaired(home: Path, damage: dict[str, object]) -> None:
    Schedule.objects.filter(name="backupsite tick backups").update(**damage)

    assert keep_tick("backups") is True

    row = Schedule.objects.get(name="backupsite tick backups")
    assert (row.func, row.cron, row.cluster) == ("backups.worker.tick.tick", "* * * * *", "backups")
    assert row.hook is None
    assert row.repeats == -1
    assert row.next_run is not None
    assert row.next_run <= timezone.now()
    assert keep_tick("backups") is False


def test_a_lost_or_doubled_schedule_of_the_tick_becomes_one_again(home: Path) -> None:
    Schedule.objects.all().delete()
    assert "repaired the schedule" in tick()

    row = Schedule.objects.get()
    row.pk = None
    row.save()
    assert "repaired the schedule" in tick()
    assert Schedule.objects.count() == 1


def test_each_queue_has_a_tick_of_its_own(home: Path) -> None:
    keep_tick("branch")

    assert set(Schedule.objects.values_list("name", "cluster")) == {
        ("backupsite tick backups", "backups"),
        ("backupsite tick branch", "branch"),
    }


def test_the_tick_dispatches_again_a_run_whose_message_was_lost(declare: Declare) -> None:
    declare("")
    execution = an_execution(
        "unknown", status=Status.QUEUED, rang_at=timezone.now() - timedelta(seconds=90), age=timedelta(minutes=2)
    )

    assert "sent the message again for 1 waiting runs" in tick()
    assert tick() == ""

    assert [row.task["args"] for row in OrmQ.objects.all()] == [(execution.pk,)]


def test_the_tick_writes_the_heartbeat_of_the_scheduler(home: Path) -> None:
    tick("branch")

    beat = Heartbeat.objects.get(kind=Heartbeat.Kind.SCHEDULER)
    assert (beat.name, beat.queue, beat.problem) == ("scheduler of branch", "branch", "")
    assert timezone.now() - beat.beat_at < timedelta(seconds=5)


def test_workers_of_long_ago_are_forgotten(home: Path) -> None:
    now = timezone.now()
    for name, days in (("old", 8), ("new", 1)):
        Heartbeat.objects.create(
            name=name, kind="worker", queue="backups", host="a", pid=1, started_at=now,
            beat_at=now - timedelta(days=days),
        )  # fmt: skip

    tick()

    assert not Heartbeat.objects.filter(name="old").exists()
    assert Heartbeat.objects.filter(name="new").exists()


def failing(_queue: str) -> str:
    raise BackupError("the moon is full")


def exploding(_queue: str) -> str:
    raise ZeroDivisionError("secret detail")


def test_a_step_that_fails_keeps_no_other_from_being_taken_and_the_tick_fails_loudly(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    taken: list[str] = []
    last: Callable[[str], str] = lambda queue: taken.append(queue) or ""  # type: ignore[func-returns-value]  # noqa: E731
    monkeypatch.setattr(housekeeping, "STEPS", [failing, exploding, last])

    with pytest.raises(BackupError) as raised:
        tick()

    assert taken == ["backups"]
    assert raised.value.message == "Housekeeping failed: failing: the moon is full. exploding: ZeroDivisionError."
    assert Heartbeat.objects.get().problem == "failing: the moon is full. exploding: ZeroDivisionError."
    assert "housekeeping.failed step=exploding" in caplog.text


def test_a_round_of_notifications_that_fails_is_a_problem_of_the_scheduler_until_one_works(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(_: object) -> int:
        raise RuntimeError

    seen: list[str] = []

    def look(_: object) -> int:
        seen.append(Heartbeat.objects.get(name="scheduler of backups").problem)
        return 0

    monkeypatch.setattr("backups.notifications.rounds.STEPS", (breaks,))
    with pytest.raises(BackupError):
        tick()
    assert "notify: RuntimeError" in Heartbeat.objects.get(name="scheduler of backups").problem
    monkeypatch.setattr("backups.notifications.rounds.work", lambda alive: str(look(alive) or ""))
    tick()
    # it does not seem to be over while the next round is at work
    assert "notify" in seen[0]
    assert Heartbeat.objects.get(name="scheduler of backups").problem == ""


def test_a_problem_that_cannot_be_noted_keeps_no_upload_from_being_settled(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled: list[bool] = []

    def locked(*_: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr("backups.runs.recovery.heartbeats.note_problem", locked)
    monkeypatch.setattr(housekeeping, "tidy", lambda: settled.append(True) or 0)
    with pytest.raises(BackupError, match="note_problem"):
        tick()
    assert settled == [True]


def test_two_ticks_of_a_queue_never_run_at_once(home: Path) -> None:
    with locks.locked(workspace.root() / "tick-backups") as mine:
        assert mine
        assert tick() == "another tick is still at work"

    assert tick() == ""


def test_the_command_takes_the_steps_and_says_what_it_did(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = StringIO()
    call_command("tick", stdout=out)
    assert out.getvalue() == "nothing to do\n"

    monkeypatch.setattr(housekeeping, "STEPS", [failing])
    with pytest.raises(CommandError, match="failing: the moon is full"):
        call_command("tick")


def test_one_tick_at_a_time_settles_uploads_and_the_others_go_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def tidy() -> int:
        seen.append("tidied")
        # the tick of the next minute, while this one reads an archive back
        if len(seen) < 3:
            seen.append(tick())
        return 0

    monkeypatch.setattr(housekeeping, "tidy", tidy)
    tick()
    assert seen == ["tidied", ""]
