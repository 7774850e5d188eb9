"""A look from the host of the site: freeze, kill and fill, and each is reported within its period."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from backups.models import BackupSchedule
from backups.outside.problem import Problem, Severity
from backups.service.monitoring.check_overdue import look
from backups.service.monitoring.check_overdue.database import write_problem
from backups.service.monitoring.check_overdue.disks import disk_problems
from backups.service.monitoring.check_overdue.look import problems_here, problems_of_database
from backups.service.monitoring.verdict import facts_of
from tests.destinations.test_database_errors import fill
from tests.endpoints.conftest import SHOP
from tests.endpoints.test_health import beats
from tests.support.file_systems import remount_read_only, silent_mount, small_disk
from tests.support.rows import a_destination, an_execution

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def shop(declare: Callable[[str], None]) -> None:
    declare(SHOP)


def critical(problems: list[Problem]) -> list[str]:
    return [problem.key for problem in problems if problem.severity is Severity.CRITICAL]


def test_a_site_in_order_has_no_critical_problem() -> None:
    beats()
    an_execution()
    assert critical(problems_of_database()) == []


@pytest.mark.parametrize(("minutes", "late"), [(-1, False), (1, True), (50_000, True)])
def test_a_late_backup_is_reported_as_soon_as_its_schedule_allows(
    minutes: int, late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = an_execution(age=timedelta(minutes=1)).started_at
    BackupSchedule.objects.create(
        name="hourly", instance="shop", destination=a_destination(), type="interval", expression="hours:1",
        active_since=began - timedelta(days=9),
    )  # fmt: skip
    (limit,) = (facts.overdue_from for facts in facts_of())
    # the slot after it, and an hour for the run
    assert timedelta(hours=1) < limit - began <= timedelta(hours=2)
    monkeypatch.setattr(timezone, "now", lambda: limit + timedelta(minutes=minutes))
    beats()
    assert critical(problems_of_database()) == ["shop/overdue"] * late


@pytest.mark.parametrize(("silent", "reported"), [(50, False), (61, True), (86_400, True)])
def test_a_killed_worker_is_reported_after_a_minute(silent: float, reported: bool) -> None:
    an_execution()
    beats(silent=silent)
    problems = problems_of_database()
    assert critical(problems) == ["worker-silent/backups"] * reported
    assert all(problem.is_silence for problem in problems if problem.severity is Severity.CRITICAL)


@pytest.mark.parametrize(("silent", "reported"), [(290, False), (310, True)])
def test_a_tick_that_stopped_is_reported_after_five_minutes_while_its_worker_lives(
    silent: float, reported: bool
) -> None:
    an_execution()
    beats(silent=silent, worker=1)
    assert critical(problems_of_database()) == ["worker-silent/backups"] * reported


@pytest.fixture
def refusing() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only=ON")
    yield
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only=OFF")


@pytest.mark.skipif(connection.vendor != "sqlite", reason="how SQLite is made to refuse a write")
def test_a_database_that_refuses_writes_is_reported_and_read_all_the_same(request: pytest.FixtureRequest) -> None:
    an_execution(age=timedelta(days=3))
    beats()
    assert write_problem() is None
    request.getfixturevalue("refusing")
    assert critical(problems_of_database()) == ["shop/overdue", "database-refuses-writes"]


def test_a_look_changes_no_row() -> None:
    beats()
    an_execution()
    with connection.cursor() as cursor:
        before = cursor.execute("SELECT total_changes()").fetchone()
        problems_of_database()
        assert cursor.execute("SELECT total_changes()").fetchone() == before


def test_what_cannot_be_determined_is_reported_and_not_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "health", lambda: 1 / 0)
    (problem,) = problems_of_database()
    assert (problem.severity, problem.key) == (Severity.UNKNOWN, "not-determined")


def test_a_database_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = Event()
    monkeypatch.setattr(look, "problems_of_database", lambda: stop.wait(20) and [])
    assert critical(problems_here(0.05)) == ["database-silent"]
    stop.set()


def test_a_folder_of_the_site_that_can_be_written_is_no_problem_and_nothing_stays_there(home: Path) -> None:
    (home / "workspaces").mkdir()
    assert disk_problems() == []
    assert list((home / "workspaces").iterdir()) == []


@pytest.mark.parametrize("how", ["full", "read-only", "away"])
def test_a_disk_where_nothing_can_be_written_is_reported(
    how: str, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backups.lib.in_time.PATIENCE", 0.1)
    point = tmp_path / "disk"
    point.mkdir()
    with silent_mount(point) if how == "away" else small_disk(point, megabytes=8) as disk:
        settings.BACKUP_WORKSPACE_ROOT = disk if how == "away" else disk / "workspaces"
        if how != "away":
            settings.BACKUP_WORKSPACE_ROOT.mkdir()
            assert disk_problems() == []
        if how == "full":
            fill(disk)
        if how == "read-only":
            remount_read_only(disk)
        assert critical(disk_problems()) == [f"not-writable/{settings.BACKUP_WORKSPACE_ROOT}"]


def test_a_disk_that_is_nearly_full_is_reported_before_root_notices(tmp_path: Path, settings: Settings) -> None:
    with small_disk(tmp_path / "disk", megabytes=3) as disk:
        settings.BACKUP_WORKSPACE_ROOT = disk
        assert critical(disk_problems()) == [f"not-writable/{disk}"]
