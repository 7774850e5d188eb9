"""What is due in the next 24 hours, and how it fits into the slots of each queue."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from backups.models import BackupSchedule, InstanceState, NotificationChannel, Run
from backups.service.monitoring.coming import Group, Sort, coming_runs
from tests.support.rows import a_destination, a_drill, an_execution

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("home")]
NOW = datetime(2026, 11, 28, 0, 30, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
Declare = Callable[[str], None]


def described(*names: str, queue: str = "") -> str:
    more = f'queue = "{queue}"\n' if queue else ""
    return "".join(
        f'[{name}]\nkind = "generic"\nroot = "/srv/{name}"\n{more}components.a = {{kind = "files", path = "a"}}\n'
        for name in names
    )


@pytest.fixture(autouse=True)
def _two_shops(declare: Declare, settings: Settings) -> None:
    settings.BACKUP_DRILL_EVERY_DAYS = 0
    settings.BACKUP_WORKERS = 1
    declare(described("shop", "wiki"))


def a_schedule(instance: str = "shop", expression: str = "0 * * * *", **fields: object) -> BackupSchedule:
    values: dict[str, object] = {
        "name": f"{instance}-{BackupSchedule.objects.count()}", "instance": instance, "destination": a_destination(),
        "expression": expression, "next_run": NOW + 30 * MINUTE, "active_since": NOW - timedelta(days=9),
    }  # fmt: skip
    return BackupSchedule.objects.create(**values | fields)


def took(instance: str, *minutes: float) -> None:
    """Write down backups of `instance` that took so long, the last one first."""
    InstanceState.objects.get_or_create(instance=instance)
    for number, duration in enumerate(minutes, start=2):
        began = NOW - timedelta(days=number)
        an_execution(instance, started_at=began, created_at=began, completed_at=began + duration * MINUTE)


def groups() -> list[Group]:
    (outlook,) = coming_runs(NOW).queues
    return outlook.groups


def test_schedules_of_one_cadence_are_one_group_with_all_their_slots_of_a_day() -> None:
    hourly, other = a_schedule(), a_schedule("wiki")
    a_schedule(expression="0 2 * * *", next_run=NOW + 90 * MINUTE)
    a_schedule(expression="0 4 * * *", next_run=None, enabled=False)
    a_schedule(type="manual", expression="", next_run=None)
    first, second = groups()
    assert (first.names, first.instances) == ([hourly.name, other.name], ["shop", "wiki"])
    assert (first.first, first.last, first.runs) == (NOW + 30 * MINUTE, NOW + 23.5 * HOUR, 48)
    assert (second.runs, second.longest, second.overlaps) == (1, None, False)


def test_a_schedule_of_several_instances_is_one_group_of_its_parts() -> None:
    whole = a_schedule("", scope="all", name="nightly")
    for name in ("shop", "wiki"):
        a_schedule(name, name="nightly", parent=whole)
    (group,) = groups()
    assert (set(group.names), group.instances, group.runs) == ({"nightly"}, ["shop", "wiki"], 48)


def test_runs_that_want_the_same_slot_of_the_workers_wait_as_long_as_the_others_take() -> None:
    took("shop", 10, 90, 12)
    took("wiki", 20)
    for name in ("shop", "wiki"):
        a_schedule(name, "0 1 * * *")
    (group,) = groups()
    # the median of the last three, whatever one of them took
    assert (group.longest, group.waits, group.wait) == (20 * MINUTE, 1, 12 * MINUTE)


def test_two_slots_take_both_at_once_and_what_runs_now_holds_one_of_them(settings: Settings) -> None:
    settings.BACKUP_WORKERS = 2
    took("shop", 10)
    took("wiki", 20)
    took("site", 60)
    for name in ("shop", "wiki"):
        a_schedule(name, "0 1 * * *")
    assert not groups()[0].overlaps
    an_execution("site", status=Run.Status.RUNNING, started_at=NOW - 10 * MINUTE, created_at=NOW)
    # it ends at 01:20
    assert (groups()[0].waits, groups()[0].wait) == (1, 10 * MINUTE)


def test_a_backup_that_takes_longer_than_until_its_next_slot_is_named() -> None:
    took("shop", 75)
    a_schedule()
    (group,) = groups()
    assert group.outlasting == ["shop"] and group.overlaps


def test_slots_of_a_queue_that_is_too_slow_are_covered_by_the_backup_that_waits() -> None:
    took("shop", 100)
    took("wiki", 100)
    for name in ("shop", "wiki"):
        a_schedule(name)
    (group,) = groups()
    # a day has room for 14 backups of 100 minutes, and the last slot is half an hour before its end
    assert 14 <= group.runs - group.covered <= 17
    assert group.wait < 4 * HOUR


def test_each_queue_has_its_own_slots_and_its_share_of_the_day(declare: Declare) -> None:
    declare(described("shop") + described("wiki", queue="branch"))
    took("shop", 144)
    for name in ("shop", "wiki"):
        a_schedule(name, "0 1 * * *")
    here, branch = coming_runs(NOW).queues
    assert (here.name, branch.name) == ("backups", "branch")
    assert (here.load, branch.load) == (0.1, 0.0)
    assert not any(group.overlaps for group in (*here.groups, *branch.groups))


def test_a_retry_and_a_slot_that_is_due_are_told_apart_from_those_to_come() -> None:
    a_schedule(next_run=NOW - 3 * HOUR)
    a_schedule("wiki", "0 5 * * *", next_run=NOW + timedelta(days=2), retry_at=NOW + MINUTE)
    due, retry = groups()
    # one run makes up for all slots that are due
    assert (due.sort, due.first, due.runs) == (Sort.BACKUP, NOW - 3 * HOUR, 25)
    assert (retry.sort, retry.first, retry.runs) == (Sort.RETRY, NOW + MINUTE, 1)


def test_a_schedule_without_a_next_run_is_named_with_its_reason() -> None:
    a_schedule(next_run=None, last_error="It has no next run: it never comes.")
    found = coming_runs(NOW)
    assert [(one.instance, one.reason) for one in found.unplanned] == [("shop", "It has no next run: it never comes.")]
    assert found.queues == []


def test_drills_of_a_day_are_due_one_at_a_time_and_the_reason_why_one_is_put_off_is_shown(settings: Settings) -> None:
    settings.BACKUP_DRILL_EVERY_DAYS = 30
    now = timezone.now()
    backup = an_execution("shop", age=timedelta(days=31))
    a_drill(backup, age=timedelta(days=30) - HOUR, verdict="passed", started_at=now, completed_at=now + 30 * MINUTE)
    an_execution("wiki")
    InstanceState.objects.get_or_create(instance="shop")
    InstanceState.objects.update_or_create(instance="wiki", defaults={"drill_put_off": "The reading budget is spent."})
    found = [group for outlook in coming_runs().queues for group in outlook.groups]
    assert [(group.sort, group.instances) for group in found] == [("drill", ["wiki"]), ("drill", ["shop"])]
    assert found[0].notes == ["wiki: The reading budget is spent."]
    assert found[1].longest == 30 * MINUTE
    assert abs(found[1].first - now - HOUR) < MINUTE


def test_digests_of_the_day_are_listed() -> None:
    for name, after in (("soon", 5 * HOUR), ("later", timedelta(days=3))):
        NotificationChannel.objects.create(
            name=name, kind="mail", digest="daily", digest_at=time(6), next_digest_at=NOW + after
        )
    assert [(group.names, group.first) for group in coming_runs(NOW).digests] == [(["soon"], NOW + 5 * HOUR)]


def test_a_schedule_of_every_minute_is_counted_as_far_as_its_limit() -> None:
    a_schedule(expression="* * * * *", next_run=NOW + MINUTE)
    (group,) = groups()
    assert (group.is_cut, group.runs) == (True, 289)


def test_the_queries_do_not_grow_with_schedules_and_instances(declare: Declare) -> None:
    counts = []
    for number in (2, 12):
        names = [f"shop-{number}-{index}" for index in range(number)]
        declare(described(*names))
        for name in names:
            took(name, 5)
            a_schedule(name)
        with CaptureQueriesContext(connection) as queries:
            coming_runs(NOW)
        counts.append(len(queries))
    assert counts[0] == counts[1]
