"""Rhythms that a deployer writes: allowed by name in a setting, called for the next run, harmless when broken."""

from datetime import UTC, datetime

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone
from pytest_django import Settings

from backups.checks.cadences import check_custom_cadences
from backups.errors import BackupError
from backups.models import BackupSchedule
from backups.service.automation import schedules as schedule
from backups.service.schedules.planning import next_runs, plan
from destinations.models import BackupDestination
from tests.support import custom_cadences as cadences

MODULE = cadences.__name__
MAY = datetime(2026, 5, 10, tzinfo=UTC)


@pytest.fixture(autouse=True)
def allowed(settings: Settings) -> None:
    settings.BACKUP_CUSTOM_CADENCES = {"first-workday": f"{MODULE}.first_workday"}


def a_schedule(expression: str, **fields: object) -> BackupSchedule:
    return BackupSchedule(name=expression, instance="tacacs-hq", type="custom", expression=expression, **fields)  # type: ignore[misc]


def test_the_function_says_when_the_next_runs_are() -> None:
    runs = next_runs(a_schedule("first-workday"), 3, now=MAY)
    assert [f"{run:%a %d.%m. %H:%M}" for run in runs] == ["Mon 01.06. 03:00", "Wed 01.07. 03:00", "Mon 03.08. 03:00"]


@pytest.mark.django_db
@pytest.mark.usefixtures("tacacs_root", "destination")
def test_a_schedule_of_it_is_added_and_has_a_next_run() -> None:
    call_command("addschedule", "monthly", instance="tacacs-hq", custom="first-workday")
    row = BackupSchedule.objects.get()
    assert row.next_run is not None
    assert row.next_run.hour == 3
    assert row.next_run > timezone.now()


@pytest.mark.django_db
@pytest.mark.usefixtures("tacacs_root", "destination")
def test_a_name_that_the_setting_does_not_have_is_refused() -> None:
    with pytest.raises(
        CommandError, match=r"There is no custom cadence 'os\.remove'\. BACKUP_CUSTOM_CADENCES has: first-workday"
    ):
        call_command("addschedule", "evil", instance="tacacs-hq", custom="os.remove")
    assert BackupSchedule.objects.count() == 0


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("fails", "The cadence mine failed: KeyError: "),
        ("stands_still", "The cadence mine returned 2026-05-10 .* which is not an aware time after"),
        ("gone", "The cadence mine failed: ImportError: .*gone"),
    ],
)
def test_what_is_wrong_with_the_function_is_one_clear_error(function: str, message: str, settings: Settings) -> None:
    settings.BACKUP_CUSTOM_CADENCES = {"mine": f"{MODULE}.{function}"}
    with pytest.raises(BackupError, match=message):
        next_runs(a_schedule("mine"), 1, now=MAY)


@pytest.mark.django_db
@pytest.mark.usefixtures("tacacs_root")
def test_a_broken_one_keeps_no_other_schedule_from_running(destination: BackupDestination, settings: Settings) -> None:
    good = BackupSchedule(name="z-good", instance="tacacs-hq", destination=destination, expression="0 2 * * *")
    plan(good)
    bad = a_schedule("first-workday", destination=destination)
    plan(bad)
    BackupSchedule.objects.update(next_run=timezone.now())
    settings.BACKUP_CUSTOM_CADENCES = {"first-workday": f"{MODULE}.fails"}
    (started,) = schedule.start_due(settings.BACKUP_QUEUE)
    bad.refresh_from_db()
    assert started.schedule == good
    assert (bad.last_status, bad.consecutive_failures, bad.next_run) == ("failed", 1, None)


def test_the_check_is_quiet_about_functions_that_are_there() -> None:
    assert check_custom_cadences(None) == []


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        (f"{MODULE}.gone", f'cannot be imported: Module "{MODULE}" does not define a "gone" attribute/class'),
        ("no_such_module.f", "cannot be imported: No module named 'no_such_module'"),
        (f"{MODULE}.NOT_A_FUNCTION", "is not a function"),
    ],
)
def test_the_check_names_a_function_that_cannot_be_used(path: str, problem: str, settings: Settings) -> None:
    settings.BACKUP_CUSTOM_CADENCES = {"mine": path}
    (found,) = [check for check in run_checks() if check.id == "backups.E030"]
    assert found.msg == f"BACKUP_CUSTOM_CADENCES: mine={path}: {problem}."
    assert found.hint is not None
