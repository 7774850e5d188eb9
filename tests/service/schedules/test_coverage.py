"""A schedule of several instances has slots of its own for each, and covers what the instances file says now."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import OrmQ
from pytest_django import Settings

from backups.errors import BackupError
from backups.models import BackupExecution, BackupSchedule, Delivery, NotificationChannel
from backups.notifications.pings import queue_pings
from backups.notifications.routing import ping_routes
from backups.service.automation.by_hand import edit, pause, resume
from backups.service.automation.schedules import start_due
from backups.service.monitoring.protection import protections
from backups.service.monitoring.verdict import verdicts
from backups.service.retention.stored import uses_of
from backups.service.schedules.cadence import latest_due
from backups.service.schedules.coverage import cover, cover_now, require_scope
from backups.service.schedules.describe import find_schedule
from backups.service.schedules.freshness import GRACE, freshness_by_instance, max_ages
from backups.service.schedules.parts import forget
from backups.service.schedules.planning import cadence_of, next_runs, set_further
from backups.worker.tasks import MOST_MESSAGES
from backups.worker.tick import start_scheduled
from tests.models.test_migrated_data import run_step
from tests.support.pages.schedule_pages import a_schedule
from tests.support.rows import a_destination, an_execution
from tests.support.site_fixtures import settle

pytestmark = pytest.mark.django_db
QUEUE = "backups"
Describe = Callable[..., None]


@pytest.fixture
def describe(settings: Settings, tmp_path: object) -> Describe:
    """Return a function that writes the instances of the site, each with its labels."""
    settings.BACKUP_QUEUE = QUEUE

    def write(queue: str = "", **labels: object) -> None:
        component = {"orders": {"kind": "sqlite", "path": "o.db"}}
        table = {"kind": "generic", "root": str(tmp_path), "components": component} | (
            {"queue": queue} if queue else {}
        )
        settings.BACKUP_INSTANCES = {name: table | {"labels": given} for name, given in labels.items()}

    write(shop=["net", "web"], wiki=["net"], blog=[])
    return write


def wide(scope: str = "label", **fields: Any) -> BackupSchedule:
    values = {"scope": scope, "instance": "", "label": "net" if scope == "label" else "", **fields}
    row = a_schedule("nightly", **values)
    cover_now(row)
    return row


def part(instance: str) -> BackupSchedule:
    return BackupSchedule.objects.get(instance=instance, parent__isnull=False)


def covered() -> dict[str, bool]:
    """Return the instances with a part, and whether each is covered now."""
    return {row.instance: row.left_at is None for row in BackupSchedule.objects.exclude(parent=None)}


def latest_slot(row: BackupSchedule) -> datetime:
    cadence = cadence_of(row)
    assert cadence is not None
    assert row.next_run is not None
    return latest_due(cadence, row.next_run, timezone.now())


def due(*names: str) -> None:
    rows = BackupSchedule.objects.of_one_instance()
    rows.filter(instance__in=names or list(covered())).update(next_run=timezone.now() - timedelta(seconds=10))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"scope": "label"}, {"shop", "wiki"}),
        ({"scope": "all"}, {"shop", "wiki", "blog"}),
        ({"scope": "instances", "instances": ["blog", "wiki"]}, {"blog", "wiki"}),
    ],
)
def test_each_covered_instance_has_slots_of_its_own(
    describe: Describe, fields: dict[str, Any], expected: set[str]
) -> None:
    row = wide(**fields)
    assert covered() == dict.fromkeys(expected, True)
    assert row.next_run is None
    due()
    started = start_due(QUEUE)
    assert {backup.instance for backup in started} == expected
    assert {backup.triggered_by for backup in started} == {"schedule nightly"}
    assert start_due(QUEUE) == []
    assert {one.next_run for one in row.parts.all()} == {next_runs(row, 1)[0]}


def test_the_database_allows_one_part_of_an_instance_and_one_run_of_its_slot(describe: Describe) -> None:
    row = wide()
    due()
    started = start_due(QUEUE)[0]
    same = {"destination": row.destination, "triggered_by": "x", "instance": started.instance}
    with pytest.raises(IntegrityError), transaction.atomic():
        BackupExecution.objects.create(schedule=started.schedule, scheduled_for=started.scheduled_for, **same)
    with pytest.raises(IntegrityError), transaction.atomic():
        BackupSchedule.objects.create(
            parent=row, name="nightly", instance="shop", destination=row.destination, expression="0 2 * * *"
        )
    with pytest.raises(IntegrityError), transaction.atomic():
        a_schedule("nightly")


def test_an_instance_that_gets_the_label_is_covered_from_the_next_slot_on(describe: Describe) -> None:
    row = wide()
    set_further(row, [a_destination("vault")])
    describe(shop=["net"], wiki=["net"], blog=["net"])
    assert start_scheduled(QUEUE) == ""
    blog = part("blog")
    assert blog.next_run == next_runs(row, 1)[0]
    assert [one.name for one in blog.destinations] == ["nas", "vault"]
    # the slots before it had the label were not missed
    assert freshness_by_instance({"blog": None})["blog"].overdue_from == next_runs(row, 1)[0] + GRACE


def test_one_that_is_taken_out_stops_and_its_verdict_says_that_nothing_is_scheduled(describe: Describe) -> None:
    row = wide()
    an_execution("wiki")
    due()
    describe(shop=["net"], wiki=[])
    assert start_scheduled(QUEUE) == "started 1 scheduled backups"
    assert covered() == {"shop": True, "wiki": False}
    assert max_ages(["wiki"]) == {}
    (verdict,) = verdicts(["wiki"])
    assert "nothing-scheduled" in [reason.key for reason in verdict.reasons]
    assert "overdue" not in [reason.key for reason in verdict.reasons]
    with pytest.raises(BackupError):
        forget(row, "shop", by="alice")
    forget(row, "wiki", by="alice")
    assert "nothing-scheduled" not in [reason.key for reason in verdicts(["wiki"])[0].reasons]


def test_one_that_is_taken_out_of_the_file_is_watched_until_it_is_forgotten(describe: Describe) -> None:
    row = wide("all")
    describe(shop=[])
    cover(QUEUE)
    judged = {verdict.instance: verdict for verdict in verdicts()}
    assert judged["wiki"].reasons[0].key == "not-in-instances-file"
    assert judged["wiki"].facts.is_watched
    for name in ("wiki", "blog"):
        forget(row, name, by="alice")
    assert {verdict.instance for verdict in verdicts()} == {"shop"}


def test_one_that_comes_back_is_covered_again_without_its_old_failures(describe: Describe) -> None:
    wide()
    BackupSchedule.objects.filter(instance="wiki").update(consecutive_failures=3)
    describe(shop=["net"], wiki=[])
    cover(QUEUE)
    describe(shop=["net"], wiki=["net"])
    cover(QUEUE)
    wiki = part("wiki")
    assert (wiki.left_at, wiki.consecutive_failures, wiki.enabled) == (None, 0, True)
    assert wiki.next_run is not None
    assert covered() == {"shop": True, "wiki": True}


@pytest.mark.parametrize("text", ["", None, "[shop", "shop = 1\nwiki = 1\n"], ids=["empty", "missing", "cut", "errors"])
def test_a_broken_instances_file_ends_nothing_and_an_empty_one_is_loud(
    text: str | None, describe: Describe, settings: Settings, home: Any
) -> None:
    wide("all")
    settings.BACKUP_INSTANCES = None
    file = home / "instances.toml"
    file.unlink() if text is None else file.write_text(text)
    # it may be half written, and is looked at again
    cover(QUEUE)
    assert covered() == {"shop": True, "wiki": True, "blog": True}
    if text is not None:
        settle(file)
    cover(QUEUE)
    if text == "":
        assert set(covered().values()) == {False}
        assert {verdict.level.value for verdict in verdicts()} == {"unprotected"}
    elif text is not None and "wiki" in text:
        # two have errors and stay, the third is gone
        assert covered() == {"shop": True, "wiki": True, "blog": False}
    else:
        assert covered() == {"shop": True, "wiki": True, "blog": True}


def test_each_queue_covers_its_own_instances(describe: Describe) -> None:
    row = wide("instances", instances=["shop"])
    describe("elsewhere", shop=["net"], wiki=["net"])
    row.scope, row.instances, row.label = "label", None, "net"
    BackupSchedule.objects.filter(pk=row.pk).update(scope="label", instances=None, label="net")
    cover(QUEUE)
    assert covered() == {"shop": True}
    cover("elsewhere")
    assert covered() == {"shop": True, "wiki": True}


def test_a_pause_of_one_instance_leaves_the_others_and_outlasts_a_pause_of_all(describe: Describe) -> None:
    row = wide()
    pause(part("wiki"), by="alice")
    due("shop")
    assert [backup.instance for backup in start_due(QUEUE)] == ["shop"]
    pause(BackupSchedule.objects.get(pk=row.pk), by="alice")
    assert not part("shop").enabled
    with pytest.raises(BackupError, match="for all its instances"):
        resume(part("wiki"), by="alice")
    resume(BackupSchedule.objects.get(pk=row.pk), by="alice")
    assert (part("shop").enabled, part("wiki").enabled, part("wiki").next_run) == (True, False, None)
    assert part("shop").next_run == next_runs(row, 1)[0]
    resume(part("wiki"), by="alice")
    assert (part("wiki").enabled, part("wiki").next_run) == (True, next_runs(row, 1)[0])


def test_a_change_reaches_every_part(describe: Describe) -> None:
    row = wide()
    row.name, row.expression, row.destination = "early", "0 1 * * *", a_destination("vault")
    edit(row, ["name", "expression", "destination"])
    for one in row.parts.all():
        assert (one.name, one.expression, one.destination.name) == ("early", "0 1 * * *", "vault")
        assert one.next_run == next_runs(row, 1)[0]


def test_another_scope_takes_the_runs_and_failures_of_an_instance_along(describe: Describe) -> None:
    row = a_schedule("nightly")
    due("shop")
    BackupSchedule.objects.update(next_run=timezone.now() - timedelta(seconds=10), consecutive_failures=2)
    (backup,) = start_due(QUEUE)
    row.scope, row.instance, row.label = "label", "", "net"
    edit(row, ["scope"])
    backup.refresh_from_db()
    assert backup.schedule == part("shop")
    assert part("shop").consecutive_failures == 2
    assert covered() == {"shop": True, "wiki": True}
    row.refresh_from_db()
    assert (row.consecutive_failures, row.next_run, row.instance) == (0, None, "")

    row.scope, row.instance, row.label = "instance", "shop", ""
    edit(row, ["scope"])
    backup.refresh_from_db()
    row.refresh_from_db()
    assert (backup.schedule, row.consecutive_failures) == (row, 2)
    assert row.next_run == next_runs(row, 1)[0]
    assert covered() == {"wiki": False}


def test_a_slot_that_two_instances_had_keeps_no_scope_from_being_changed(describe: Describe) -> None:
    row, slot = wide(), timezone.now()
    for name in ("shop", "wiki"):
        an_execution(name, schedule=part(name), scheduled_for=slot)
    for scope, instance in (("instance", "wiki"), ("instance", "shop"), ("all", ""), ("instance", "shop")):
        row.scope, row.instance, row.label = scope, instance, ""
        edit(row, ["scope"])
    runs = dict(BackupExecution.objects.values_list("instance", "schedule"))
    assert runs == {"shop": None, "wiki": row.pk}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"scope": "label", "label": "cloud"}, "No instance has the label 'cloud'."),
        ({"scope": "instances", "instances": ["shop", "bar"]}, "There is no instance 'bar'"),
        ({"scope": "instances", "instances": []}, "No instance is named."),
    ],
)
def test_a_scope_that_covers_nothing_is_refused(describe: Describe, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(BackupError, match=message):
        require_scope(BackupSchedule(**fields))


def test_what_waits_behind_others_is_not_late_while_the_queue_moves(describe: Describe) -> None:
    wide(expression="hours:24", type="interval", active_since=timezone.now() - timedelta(days=9))
    now = timezone.now()
    BackupSchedule.objects.update(active_since=now - timedelta(days=9))
    slot = next_runs(part("shop"), 1)[0] - timedelta(days=1)
    if now - slot < 2 * GRACE:
        slot -= timedelta(days=1)
    for name in ("shop", "wiki"):
        an_execution(name, age=now - slot + timedelta(minutes=5))
    waiting = an_execution("shop", status="queued", schedule=part("shop"), age=now - slot)

    def overdue_from() -> Any:
        return protections(names=["shop"])[0].overdue_from

    assert overdue_from() == slot + GRACE
    an_execution("wiki", status="running", schedule=part("wiki"), age=now - slot, started_at=now)
    assert overdue_from() == slot + timedelta(days=1) + GRACE
    BackupExecution.objects.filter(pk=waiting.pk).update(status="running", started_at=now)
    BackupExecution.objects.filter(instance="wiki", status="running").delete()
    assert overdue_from() == min(now, slot + timedelta(days=1)) + GRACE


def test_the_queries_of_covering_do_not_grow_with_the_instances(describe: Describe) -> None:
    counts = []
    for number in (2, 60):
        describe(**{f"shop-{number}-{index}": ["net"] for index in range(number)})
        BackupSchedule.objects.all().delete()
        a_schedule("nightly", scope="label", instance="", label="net")
        with CaptureQueriesContext(connection) as joining:
            assert cover(QUEUE) == number
        with CaptureQueriesContext(connection) as idle:
            assert cover(QUEUE) == 0
        describe()
        with CaptureQueriesContext(connection) as leaving:
            assert cover(QUEUE) == number
        counts.append((len(joining), len(idle), len(leaving)))
    few, many = counts
    # SQLite takes so many values in one INSERT
    assert many[0] <= few[0] + 60 // 20
    assert few[1:] == many[1:]
    assert few[1] <= 2


def test_many_slots_at_once_are_started_in_few_queries(describe: Describe) -> None:
    describe(**{f"shop-{index}": ["net"] for index in range(60)})
    wide()
    due()
    with CaptureQueriesContext(connection) as found:
        assert start_scheduled(QUEUE) == "started 60 scheduled backups"
    assert len(found) <= 45
    runs = BackupExecution.objects.filter(schedule__parent__isnull=False, rang_at__isnull=False)
    assert len(set(runs.values_list("instance", "schedule__instance", "copies__state"))) == 60
    # messages lead to whatever waits: one for each would only say so again
    assert OrmQ.objects.count() == MOST_MESSAGES
    BackupExecution.objects.update(status="failed", completed_at=timezone.now(), error_message="gone")
    BackupSchedule.objects.of_one_instance().update(retry_at=timezone.now())
    with CaptureQueriesContext(connection) as found:
        assert len(start_due(QUEUE)) == 60
    assert len(found) <= 45
    assert BackupExecution.objects.filter(attempt=2, comment__contains="after: gone").count() == 60


def test_a_slot_that_another_process_took_keeps_none_of_the_others_from_starting(describe: Describe) -> None:
    describe(**{name: ["net"] for name in ("blog", "shop", "wiki")})
    wide()
    due()
    taken = part("shop")
    an_execution("shop", status="failed", schedule=taken, scheduled_for=latest_slot(taken))
    BackupSchedule.objects.filter(instance="wiki").update(type="custom", expression="gone")
    assert [backup.instance for backup in start_due(QUEUE)] == ["blog"]
    assert part("wiki").consecutive_failures == 1
    assert part("shop").next_run == part("blog").next_run


def test_an_earlier_release_gets_a_schedule_for_each_instance(describe: Describe) -> None:
    taken = a_schedule("nightly-shop")
    row = wide()
    describe(shop=["net"], wiki=[], blog=["net"])
    cover(QUEUE)
    backup = an_execution("shop", schedule=part("shop"))
    run_step("multi_schedules_data", "one_schedule_for_each_instance")
    found = {one.name: one for one in BackupSchedule.objects.all()}
    assert found.keys() == {taken.name, "nightly-shop-2", "nightly-blog"}
    backup.refresh_from_db()
    assert backup.schedule == found["nightly-shop-2"]
    assert {one.parent_id for one in found.values()} == {None}
    assert not BackupSchedule.objects.filter(pk=row.pk).exists()


def test_a_channel_of_the_schedule_is_for_the_runs_of_every_part(describe: Describe) -> None:
    row = wide()
    channel = NotificationChannel.objects.create(name="pings", kind="ping", scope="schedules")
    channel.schedules.set([row])
    (route,) = ping_routes()
    assert route.takes_run("wiki", part("wiki").pk)
    assert not route.takes_run("blog", "")
    assert route.instances == {"shop", "wiki"}
    signals = []
    for failures in (1, 0):
        BackupSchedule.objects.filter(instance="shop").update(consecutive_failures=failures)
        queue_pings(an_execution("wiki", schedule=part("wiki")), "success")
        signals += [item["signal"] for one in Delivery.objects.all() for item in one.items]
        Delivery.objects.all().delete()
    # the success of one does not hide that another one fails
    assert signals == ["fail", "success"]


def test_a_schedule_of_several_instances_counts_once_where_schedules_are_counted(describe: Describe) -> None:
    row = wide()
    assert uses_of(row.destination) == ["1 schedule"]
    assert find_schedule("nightly") == row
