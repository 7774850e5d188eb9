"""What a restored site does not go on with: the runs, uploads and messages of the time of its backup."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from backups.instances.kinds.backupsite.left_out import LEFT_OUT
from backups.models import (
    BackupCopy,
    BackupSchedule,
    CopyExecution,
    Delivery,
    Heartbeat,
    Notice,
    NotificationChannel,
    RestoreExecution,
)
from backups.models.run import Run
from backups.runs.queue.queues import queue_of
from backups.runs.recovery import heartbeats
from backups.runs.recovery.reap import reap, tidy
from backups.runs.registry import kinds
from backups.service.automation.schedules import start_due
from backups.service.own_state.settle import RUNS, statements
from tests.support.rows import a_copy, a_destination, a_drill, an_execution

pytestmark = pytest.mark.django_db


def settle() -> None:
    with connection.cursor() as cursor:
        for statement in statements(timezone.now()):
            cursor.execute(statement)


def test_every_kind_of_run_is_ended() -> None:
    assert {kind.model for kind in kinds()} == set(RUNS), "a new kind of run has to be ended too"
    done = an_execution("done")
    for status in Run.ACTIVE:
        an_execution(f"shop-{status}", status=status)
        a_drill(done, status=status, kind="drill" if status == "queued" else "verification")
        RestoreExecution.objects.create(
            instance=f"shop-{status}", status=status, triggered_by="alice", execution=done, archive_sha256="a" * 64
        )
        other = a_copy(done, a_destination(status))
        CopyExecution.objects.create(instance="done", status=status, triggered_by="alice", copy=other)
    settle()
    for model in RUNS:
        ended = model.objects.exclude(status="completed").order_by("status")
        assert [row.status for row in ended] == ["cancelled", "interrupted"], model
        assert all(row.completed_at and row.error_message and row.error_hint for row in ended)
    assert reap() == []


def test_no_upload_is_taken_up_and_a_copy_of_a_good_backup_is_made_up_for(home: object) -> None:
    done, running = an_execution("done", copies_state="all"), an_execution("busy", status="running")
    unfinished = a_copy(done, a_destination("usb"), state="uploading", path="", planned_path="done/x", sha256="")
    BackupCopy.objects.filter(execution=running).update(
        state="uploading", planned_path="busy/y", upload_state={"part": 3}, look_again_at=timezone.now()
    )
    settle()
    assert not BackupCopy.objects.exclude(planned_path="", upload_state=None, look_again_at=None).exists()
    of_good, of_running = BackupCopy.objects.get(pk=unfinished.pk), running.copies.get()
    assert (of_good.state, of_good.next_try_at is not None) == ("failed", True)
    assert (of_running.state, of_running.next_try_at) == ("failed", None)
    assert done.copies.get(destination=done.destination).state == "stored"
    done.refresh_from_db()
    assert done.copies_state == "missing"
    assert tidy() == 0


def test_no_message_is_sent_again() -> None:
    now = timezone.now()
    channel = NotificationChannel.objects.create(name="ops", kind="mail")
    states = [Delivery.State.WAITING, Delivery.State.SENT]
    waiting, sent = [
        Delivery.objects.create(channel=channel, state=state, created_at=now, next_try_at=now) for state in states
    ]
    at = {"opened_at": now, "seen_at": now, "since": now, "level": "alarm", "text": "It is late."}
    Notice.objects.create(code="late", event="late", instance="shop", **at)
    Notice.objects.create(code="late", event="late", instance="wiki", ended_at=now, announced_at=now, **at)
    settle()
    waiting.refresh_from_db()
    sent.refresh_from_db()
    assert (waiting.state, bool(waiting.error), sent.state) == (Delivery.State.GIVEN_UP, True, Delivery.State.SENT)
    assert not Notice.objects.filter(announced_at=None).exists()
    assert not Notice.objects.filter(ended_at__isnull=False, end_announced_at=None).exists()


def test_slots_that_were_missed_run_once(shop: Path) -> None:
    since = timezone.now() - timedelta(days=10)
    schedule = BackupSchedule.objects.create(
        name="hourly", instance="shop", destination=a_destination(), type="interval", expression="hours:1",
        next_run=since, retry_at=since, active_since=since,
    )  # fmt: skip
    settle()
    (backup,) = start_due(queue_of("shop"))
    assert backup.scheduled_for > since + timedelta(days=9)
    schedule.refresh_from_db()
    assert schedule.next_run is not None
    assert schedule.next_run > timezone.now()
    assert schedule.retry_at is None
    assert start_due(queue_of("shop")) == []


def test_what_is_about_processes_of_that_time_is_gone() -> None:
    heartbeats.beat("worker x:1", Heartbeat.Kind.WORKER, "backups")
    settle()
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        assert set(LEFT_OUT) <= set(tables), "a table was renamed"
        for table in LEFT_OUT:
            cursor.execute(f"SELECT count(*) FROM {table}")
            assert cursor.fetchone() == (0,), table
