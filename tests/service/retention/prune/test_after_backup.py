"""Retention that follows a backup."""

import logging
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from backups.errors import BackupError
from backups.models import BackupExecution
from destinations.models import BackupDestination
from tests.support.archives.stored import DAY, daily, file_of, there
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db


def test_a_backup_is_followed_by_retention_of_its_instance_only(
    tacacs_root: Path, nas: BackupDestination, back_up: BackUp, settings: Settings
) -> None:
    settings.BACKUP_DROP_IGNORE = ["*"]  # the older ones are of another service
    now = timezone.now()
    ours = daily(nas, 3, "tacacs-hq", newest=now - 30 * DAY)
    others = daily(nas, 5, "other", newest=now - 30 * DAY)
    execution = back_up()
    assert (execution.status, execution.warnings) == ("completed", [])
    assert (there(ours), there(others)) == ([0], list(range(5)))
    gone = BackupExecution.objects.get(pk=ours[2].pk)
    assert gone.deleted_reason.startswith("goes because it is older than 7 days")


def test_a_safety_backup_and_a_failed_backup_are_followed_by_nothing(
    tacacs_root: Path, nas: BackupDestination, back_up: BackUp
) -> None:
    old = daily(nas, 5, "tacacs-hq", newest=timezone.now() - 30 * DAY)
    back_up(kind=BackupExecution.Kind.SAFETY)
    assert there(old) == list(range(5))
    (tacacs_root / "data/devices.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(BackupError):
        back_up()
    assert there(old) == list(range(5))


def test_a_failure_of_retention_is_a_warning_on_a_completed_backup(
    tacacs_root: Path,
    nas: BackupDestination,
    back_up: BackUp,
    caplog: pytest.LogCaptureFixture,
    settings: Settings,
) -> None:
    settings.BACKUP_DROP_IGNORE = ["*"]  # the older ones are of another service
    old = daily(nas, 5, "tacacs-hq", newest=timezone.now() - 30 * DAY)
    file_of(old[4]).unlink()
    file_of(old[4]).mkdir()
    with caplog.at_level(logging.ERROR, "backups"):
        execution = back_up()
    row = BackupExecution.objects.get(pk=execution.pk)
    assert (row.status, row.has_archive) == ("completed", True)
    assert len(row.warnings) == 1 and "could not be deleted at nas" in row.warnings[0]
    assert "retention.failed" in caplog.text


def test_a_wrong_rule_of_the_site_is_a_warning_on_a_completed_backup(
    tacacs_root: Path, destination: BackupDestination, back_up: BackUp, settings: Settings
) -> None:
    settings.BACKUP_RETENTION = {"strategy": "sometimes"}
    execution = back_up()
    assert execution.status == "completed"
    assert execution.warnings == [
        "Old backups were not pruned: The retention of nas cannot work: The retention strategy 'sometimes' is unknown."
    ]
