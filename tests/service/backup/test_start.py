"""How a backup is started, and what is said of it afterwards."""

import json
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from pytest_django import Settings

from backups.errors import BackupError, InstanceError, NotQueued
from backups.models import BackupExecution
from backups.runs.describe import backup_status, describe
from backups.service.backup.run import run_backup
from backups.service.backup.start import start_backup
from destinations.models import BackupDestination
from tests.support.archives.stored import file_of
from tests.support.site_fixtures import BackUp, Listing

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_backup_works_inside_an_open_transaction(destination: BackupDestination, tacacs_root: Path) -> None:
    with transaction.atomic():
        queued = start_backup("tacacs-hq", destination, by="tests")
        assert run_backup(queued.pk).status == "completed"
        transaction.set_rollback(True)
    assert not BackupExecution.objects.exists()


def test_zstd_is_an_option(back_up: BackUp, tacacs_root: Path, home: Path, settings: Settings) -> None:
    pytest.importorskip("zstandard", reason="the optional package zstandard is not installed")
    settings.BACKUP_COMPRESSION = "zstd"
    execution = back_up()
    assert execution.backup_filename.endswith(".tar.zst")
    assert file_of(execution).read_bytes()[:4] == b"\x28\xb5\x2f\xfd"


def test_a_backup_that_ended_is_not_run_again(back_up: BackUp, tacacs_root: Path) -> None:
    execution = back_up()
    with pytest.raises(NotQueued, match=f"{execution.pk} is completed, not queued"):
        run_backup(execution.pk)


def test_an_unknown_instance_or_a_disabled_destination_makes_no_row(
    destination: BackupDestination, tacacs_root: Path
) -> None:
    with pytest.raises(InstanceError, match="There is no instance 'tacacs'"):
        start_backup("tacacs", destination, by="tests")
    destination.enabled = False
    destination.save()
    with pytest.raises(BackupError, match=r"^Destination nas is disabled"):
        start_backup("tacacs-hq", destination, by="tests")
    assert not BackupExecution.objects.exists()


def test_a_destination_disabled_after_queueing_fails_the_backup(
    destination: BackupDestination, tacacs_root: Path, archives: Listing
) -> None:
    queued = start_backup("tacacs-hq", destination, by="tests")
    BackupDestination.objects.update(enabled=False)
    with pytest.raises(BackupError, match=r"^Destination nas is disabled"):
        run_backup(queued.pk)
    queued.refresh_from_db()
    assert (queued.status, queued.error_message) == ("failed", "Destination nas is disabled.")
    assert archives() == []


def test_the_status_of_a_backup_is_told_as_pages_and_scripts_read_it(back_up: BackUp, tacacs_root: Path) -> None:
    execution = back_up()
    status = backup_status(execution.pk)
    assert (status["status"], status["percent"], status["active"], status["silent"]) == ("completed", 100, False, False)
    data = describe(execution)
    assert json.loads(json.dumps(data)) == data
    assert (data["id"], data["instance"], data["destination"]) == (execution.pk, "tacacs-hq", "nas")


def test_a_person_who_starts_a_backup_is_in_the_history(destination: BackupDestination, tacacs_root: Path) -> None:
    person = User.objects.create_user("ada")
    execution = start_backup("tacacs-hq", destination, by=person)
    assert execution.triggered_by == "ada"
