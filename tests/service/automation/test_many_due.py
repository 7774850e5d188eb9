"""Many schedules that are due at once: one that cannot start keeps no other from it."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from backups.models import BackupExecution, BackupSchedule
from backups.service.automation.schedules import start_due
from destinations.models import BackupDestination
from tests.support.rows import an_execution
from tests.support.site_fixtures import settle

Status = BackupExecution.Status
QUEUE = "backups"
HOUR = timedelta(hours=1)


@pytest.fixture
def schedules(tmp_path: Path, destination: BackupDestination, settings: Settings) -> list[BackupSchedule]:
    """Twelve hourly schedules, each of an instance of its own, whose slot is due since this hour began."""
    names = [f"shop-{number}" for number in range(12)]
    line = '[{0}]\nkind = "generic"\nroot = "{1}"\ncomponents.orders = {{kind = "sqlite", path = "orders.db"}}\n'
    settings.BACKUP_QUEUE = QUEUE
    settings.BACKUP_INSTANCES_FILE = tmp_path / "many.toml"
    settings.BACKUP_INSTANCES_FILE.write_text("".join(line.format(name, tmp_path) for name in names))
    settle(settings.BACKUP_INSTANCES_FILE)
    slot = timezone.now().replace(minute=0, second=0, microsecond=0)
    return BackupSchedule.objects.bulk_create(
        BackupSchedule(name=name, instance=name, destination=destination, expression="0 * * * *", next_run=slot)
        for name in names
    )


@pytest.mark.django_db
def test_of_many_slots_only_those_are_lost_that_have_a_backup_or_cannot_have_one(
    schedules: list[BackupSchedule], caplog: pytest.LogCaptureFixture
) -> None:
    taken, unknown, covered, *rest = schedules
    # as another process would have it that was first, and has ended already
    an_execution(
        taken.instance, status=Status.COMPLETED, schedule=taken, scheduled_for=taken.next_run, kind="scheduled"
    )
    BackupSchedule.objects.filter(pk=unknown.pk).update(instance="nowhere")
    an_execution(covered.instance, status=Status.QUEUED, schedule=covered, kind="scheduled")

    started = start_due(QUEUE)

    assert {backup.schedule_id for backup in started} == {one.pk for one in rest}
    assert [backup.copies.count() for backup in started] == [1] * len(rest)
    assert {backup.triggered_by for backup in started} == {f"schedule {one.name}" for one in rest}
    events = [record.getMessage() for record in caplog.records]
    assert any(line.startswith("schedule.slot-taken") and taken.name in line for line in events)
    assert any(line.startswith("schedule.slot-covered") and covered.name in line for line in events)
    assert sum(line.startswith("backup.queued") for line in events) == len(rest)
    rows = {row.pk: row for row in BackupSchedule.objects.all()}
    assert all(row.next_run is not None and row.next_run > timezone.now() for row in rows.values())
    refused = rows[unknown.pk]
    assert (refused.consecutive_failures, refused.last_status) == (1, "failed")
    assert "nowhere" in refused.last_error
    assert rows[taken.pk].consecutive_failures == rows[rest[0].pk].consecutive_failures == 0
    assert start_due(QUEUE) == []


@pytest.mark.django_db(transaction=True)
def test_between_the_transactions_for_many_slots_others_get_a_moment_to_write(
    schedules: list[BackupSchedule], monkeypatch: pytest.MonkeyPatch
) -> None:
    # whether the database was locked, and how many backups others could see
    moments: list[tuple[bool, int]] = []

    def pause(seconds: float) -> None:
        assert seconds > 0
        moments.append((connection.in_atomic_block, BackupExecution.objects.count()))

    monkeypatch.setattr("backups.service.automation.schedules.AT_ONCE", 5)
    monkeypatch.setattr("backups.service.automation.schedules.time.sleep", pause)
    assert len(start_due(QUEUE)) == 12
    assert moments == [(False, 5), (False, 10)]
