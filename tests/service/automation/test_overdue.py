"""An overdue instance is reported once: one log line, one signal, and again only after it was fresh in between."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from backups.models import BackupSchedule, InstanceState
from backups.service.automation.overdue import report_overdue
from backups.service.schedules.cadence import INTERVAL_EPOCH, Interval
from backups.service.schedules.planning import plan
from backups.signals import instance_late
from backups.worker.tick import report_overdue as step
from tests.support.rows import a_destination, an_execution

pytestmark = pytest.mark.django_db
QUEUE = "backups"
HOURS = timedelta(hours=1)


@pytest.fixture(autouse=True)
def instances(settings: Settings, tmp_path: object) -> None:
    shop = {"kind": "generic", "root": str(tmp_path), "components": {"orders": {"kind": "sqlite", "path": "o.db"}}}
    settings.BACKUP_QUEUE = QUEUE
    settings.BACKUP_INSTANCES = {"shop": shop, "wiki": shop | {"queue": "elsewhere"}}


@pytest.fixture
def reported() -> Iterator[list[tuple[str, str]]]:
    reported: list[tuple[str, str]] = []

    def listen(sender: object, instance: str, message: str, **_: Any) -> None:
        reported.append((instance, message))

    instance_late.connect(listen)
    yield reported
    instance_late.disconnect(listen)


def a_schedule(instance: str = "shop", *, age: timedelta = timedelta(days=9), **fields: Any) -> BackupSchedule:
    values = {"name": f"nightly-{instance}", "type": "interval", "expression": "hours:6", **fields}
    row = BackupSchedule(
        instance=instance, destination=a_destination(), active_since=timezone.now() - age, **values
    )  # fmt: skip
    plan(row)
    return row


def test_a_backup_within_the_limit_is_not_overdue(reported: list[tuple[str, str]]) -> None:
    a_schedule()
    an_execution("shop", age=(timezone.now() - INTERVAL_EPOCH) % (6 * HOURS))
    assert report_overdue(QUEUE) == []
    assert reported == []


def test_an_overdue_instance_is_reported_once(
    reported: list[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    a_schedule()
    an_execution("shop", age=8 * HOURS)
    due = Interval(6 * HOURS).next_after(timezone.now() - 8 * HOURS) + HOURS
    message = f"The newest good backup of shop is 8 h old, but schedule nightly-shop demands one by {due:%F %R} UTC."
    with caplog.at_level(logging.ERROR, "backups"):
        assert [step(QUEUE), step(QUEUE)] == ["late: shop", ""]
    assert reported == [("shop", message)]
    assert caplog.messages == [f'instance.late instance=shop reason="{message}"']
    assert InstanceState.objects.get(instance="shop").late_since is not None


def test_a_backup_of_a_time_when_the_clock_was_ahead_is_not_taken_for_a_fresh_one(
    reported: list[tuple[str, str]],
) -> None:
    a_schedule()
    an_execution("shop", age=8 * HOURS)
    an_execution("shop", age=-9000 * HOURS)
    assert report_overdue(QUEUE) == ["shop"]


def test_after_it_was_fresh_it_is_reported_again(reported: list[tuple[str, str]]) -> None:
    a_schedule()
    old = an_execution("shop", age=8 * HOURS)
    report_overdue(QUEUE)
    fresh = an_execution("shop")
    assert report_overdue(QUEUE) == []
    assert InstanceState.objects.get().late_since is None
    fresh.delete()
    assert report_overdue(QUEUE) == ["shop"]
    assert [name for name, _ in reported] == ["shop", "shop"]
    assert old.pk


def test_without_any_backup_it_is_overdue_once_the_first_one_should_be_there(reported: list[tuple[str, str]]) -> None:
    row = a_schedule(age=0 * HOURS)
    assert report_overdue(QUEUE) == []
    since = timezone.now() - 8 * HOURS
    BackupSchedule.objects.filter(pk=row.pk).update(active_since=since)
    assert report_overdue(QUEUE) == ["shop"]
    due = Interval(6 * HOURS).next_after(since) + HOURS
    message = f"There is no good backup of shop, but schedule nightly-shop demands one by {due:%F %R} UTC."
    assert reported == [("shop", message)]


@pytest.mark.parametrize("fields", [{"enabled": False}, {"type": "manual", "expression": ""}])
def test_without_an_automatic_schedule_nothing_is_overdue(
    fields: dict[str, Any], reported: list[tuple[str, str]]
) -> None:
    a_schedule(**fields)
    an_execution("shop", age=90 * HOURS)
    assert report_overdue(QUEUE) == []
    assert reported == []


def test_each_queue_reports_its_own_instances() -> None:
    for name in ("shop", "wiki"):
        a_schedule(name)
    assert report_overdue(QUEUE) == ["shop"]
    assert report_overdue("elsewhere") == ["wiki"]
