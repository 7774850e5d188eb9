"""Which rows the methods of the QuerySets return, at the boundary of each condition."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from backups.models import BackupExecution, BackupSchedule, DrillExecution, InstanceState, RestoreExecution, Run
from backups.models.querysets import LARGE_COLUMNS, STORED, BackupQuerySet
from destinations.models import BackupDestination
from tests.support.rows import Status, a_destination, a_drill, an_execution

pytestmark = pytest.mark.django_db
Kind = BackupExecution.Kind
DROP = {"component": "orders", "table": "", "measure": "rows", "before": 2, "after": 1}
PASSED, FAILED = {"verdict": "passed"}, {"verdict": "failed"}
UNSUCCESSFUL = {"failed", "cancelled", "interrupted"}
UNFINISHED = {"queued", "of a process", "running"}
# of completed backups, by what is special about each
COMPLETED = {
    "plain", "adopted", "safety", "pinned", "missing", "damaged", "deleted", "deleted after it was missing",
    "being deleted", "drill passed", "drill failed", "drill without verdict", "verification passed",
    "verification failed", "open drop", "confirmed drop",
}  # fmt: skip
ALL = COMPLETED | UNFINISHED | UNSUCCESSFUL


@pytest.fixture
def backups() -> dict[str, BackupExecution]:
    now = timezone.now()
    fields: dict[str, dict[str, object]] = {
        "queued": {"status": Status.QUEUED},
        "of a process": {"status": Status.QUEUED, "owner": Run.Owner.PROCESS},
        "running": {"status": Status.RUNNING},
        "failed": {"status": Status.FAILED},
        "cancelled": {"status": Status.CANCELLED},
        "interrupted": {"status": Status.INTERRUPTED},
        "plain": {},
        "adopted": {"adopted": True},
        "safety": {"kind": Kind.SAFETY},
        "pinned": {"pinned": True},
        "missing": {"missing_at": now},
        "damaged": {"damaged_at": now},
        "deleted": {"deleted_at": now},
        "deleted after it was missing": {"deleted_at": now, "missing_at": now},
        "being deleted": {"deleting_at": now},
        "drill passed": {"drill": PASSED},
        "drill failed": {"drill": FAILED},
        "drill without verdict": {"drill": {}},
        "verification passed": {"verification": PASSED},
        "verification failed": {"verification": FAILED, "drill": PASSED},
        "open drop": {"drops": [DROP]},
        "confirmed drop": {"drops": [DROP], "drop_confirmed_at": now},
    }
    return {name: an_execution(comment=name, **values) for name, values in fields.items()}


def names(rows: QuerySet[BackupExecution]) -> set[str]:
    return {row.comment for row in rows}


METHODS: dict[str, tuple[Callable[[BackupQuerySet], BackupQuerySet], set[str]]] = {
    "queued": (BackupQuerySet.queued, {"queued", "of a process"}),
    "for workers": (BackupQuerySet.for_workers, {"queued"}),
    "running": (BackupQuerySet.running, {"running"}),
    "active": (BackupQuerySet.active, UNFINISHED),
    "completed": (BackupQuerySet.completed, COMPLETED),
    "stored": (BackupQuerySet.stored, COMPLETED - {"missing", "deleted", "deleted after it was missing"}),
    "missing": (BackupQuerySet.missing, {"missing"}),
    "damaged": (BackupQuerySet.damaged, {"damaged"}),
    "good": (
        BackupQuerySet.good,
        COMPLETED
        - {"missing", "damaged", "deleted", "deleted after it was missing", "being deleted"}
        - {"drill failed", "drill without verdict", "verification failed"},
    ),
    "with open drop": (BackupQuerySet.with_open_drop, {"open drop"}),
    "without open drop": (BackupQuerySet.without_open_drop, ALL - {"open drop"}),
    "without safety": (BackupQuerySet.without_safety, ALL - {"safety"}),
    "made here": (BackupQuerySet.made_here, COMPLETED - {"adopted", "safety"}),
}


@pytest.mark.parametrize("method", METHODS)
def test_a_method_returns_the_backups_that_meet_its_condition(method: str, backups: dict[str, BackupExecution]) -> None:
    select, expected = METHODS[method]
    assert names(select(BackupExecution.objects.all())) == expected


def test_the_conditions_agree_with_the_properties_of_a_row(backups: dict[str, BackupExecution]) -> None:
    rows = BackupExecution.objects.all()
    assert names(rows.stored()) == {name for name, row in backups.items() if row.has_archive}
    assert names(rows.active()) == {name for name, row in backups.items() if row.is_active}
    assert names(rows.with_open_drop()) == {name for name, row in backups.items() if row.open_drop}
    good = {name for name, row in backups.items() if row.has_archive and not row.flaw and row.deleting_at is None}
    assert names(rows.good()) == good


def test_methods_of_a_chain_narrow_one_another(backups: dict[str, BackupExecution]) -> None:
    other = an_execution("wiki", comment="of another instance")
    assert "of another instance" in names(BackupExecution.objects.stored())
    assert BackupExecution.objects.of_instance("wiki").stored().get() == other
    rows = BackupExecution.objects.of_instance("shop").good().without_safety().without_open_drop()
    assert names(rows) == {
        "plain", "adopted", "pinned", "drill passed", "verification passed", "confirmed drop"
    }  # fmt: skip
    assert backups["plain"].destination.executions.of_instance("wiki").good().get() == other


def test_the_newest_come_first_and_the_id_decides_between_two_of_one_moment() -> None:
    created = timezone.now() - timedelta(hours=1)
    for pk, age in (("a", 2), ("b", 0), ("c", 1), ("d", 1)):
        an_execution(pk=pk, created_at=created - timedelta(hours=age))
    assert list(BackupExecution.objects.newest_first().values_list("pk", flat=True)) == ["b", "d", "c", "a"]
    assert BackupExecution.objects.order_by("pk").newest_first().first() == BackupExecution.objects.get(pk="b")


def test_the_large_columns_are_read_only_when_they_are_asked_for() -> None:
    backup = an_execution(config_json={"a": 1})
    a_drill(backup)
    RestoreExecution.objects.create(instance="shop", execution=backup, archive_sha256="a" * 64)
    found = [
        BackupExecution.objects.without_manifest().get(),
        DrillExecution.objects.select_related("execution").without_manifest().get().execution,
        RestoreExecution.objects.select_related("execution").without_manifest().get().execution,
    ]
    for row in found:
        assert row is not None
        assert row.get_deferred_fields() == set(LARGE_COLUMNS)
        assert row.config_json == {"a": 1}
    assert not BackupExecution.objects.without_manifest().defer(None).get().get_deferred_fields()


def test_each_kind_of_run_has_the_methods_of_all_runs() -> None:
    backup = an_execution()
    waiting, running = a_drill(backup), a_drill(backup, status=Status.RUNNING)
    a_drill(backup, verdict="passed")
    assert set(DrillExecution.objects.active()) == {waiting, running}
    assert DrillExecution.objects.of_instance("shop").for_workers().get() == waiting
    assert DrillExecution.objects.of_instance("wiki").count() == 0
    assert backup.drills.running().get() == running
    kinds: tuple[type[Run], ...] = (BackupExecution, DrillExecution, RestoreExecution)
    assert [model.objects.running().count() for model in kinds] == [0, 1, 0]


def test_a_run_changes_only_while_its_row_meets_the_conditions(backups: dict[str, BackupExecution]) -> None:
    row = BackupExecution.objects.get(comment="missing")
    assert not row.transition(Status.COMPLETED, STORED, pinned=True)
    assert not BackupExecution.objects.get(pk=row.pk).pinned
    assert backups["plain"].transition(Status.COMPLETED, STORED, pinned=True)
    assert BackupExecution.objects.get(comment="plain").pinned


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the words of the plan are those of SQLite")
def test_the_partial_indexes_serve_the_queries_that_have_their_condition() -> None:
    stored = BackupExecution.objects.stored().filter(destination=a_destination()).order_by("created_at")
    assert "execution_there" in stored.explain()
    last = BackupExecution.objects.of_instance("shop").made_here().order_by("-started_at")
    assert "execution_last" in last.explain()
    dropped = BackupExecution.objects.of_instance("shop").with_open_drop().order_by("-started_at")
    assert "execution_open_drop" in dropped.explain()


def test_enabled_schedules_and_destinations_leave_out_the_others() -> None:
    nas, off = a_destination(), a_destination("off", enabled=False)
    schedules = [
        BackupSchedule.objects.create(name=name, instance="shop", destination=nas, type="manual", enabled=enabled)
        for name, enabled in (("nightly", True), ("paused", False))
    ]
    assert BackupSchedule.objects.enabled().get() == schedules[0]
    assert nas.schedules.enabled().get() == schedules[0]
    assert BackupDestination.objects.enabled().get() == nas
    assert not BackupDestination.objects.enabled().filter(pk=off.pk).exists()


def test_instances_that_need_no_restart_are_left_out() -> None:
    InstanceState.objects.create(instance="wiki", restart_required_by="an id that was acknowledged")
    asking = InstanceState.objects.create(instance="shop", restart_required_since=timezone.now())
    assert InstanceState.objects.restart_required().get() == asking
