"""The reaper: runs whose process died, on this host or on another."""

from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from backups.models import BackupExecution
from backups.runs import workspace
from backups.runs.queue.ownership import this_worker
from backups.runs.recovery.reap import reap
from backups.worker.tick import tick
from destinations.backends.base import part_name
from destinations.models import BackupDestination
from tests.support.rows import an_execution

pytestmark = pytest.mark.django_db
Status = BackupExecution.Status


def running(destination: BackupDestination, **fields: object) -> BackupExecution:
    dead = {"status": Status.RUNNING, "worker": "elsewhere:4711", "stage": "uploading", "heartbeat_at": ago(seconds=1)}
    return an_execution("shop", destination=destination, **dead | fields)


def ago(**duration: float) -> datetime:
    return timezone.now() - timedelta(**duration)


def leave_part(settings: Settings, execution: BackupExecution) -> Path:
    """Leave what an upload leaves that is killed."""
    with execution.destination.open() as opened:
        opened.put(BytesIO(b"x"), "shop/manual/whole.tar.gz", size=1, token="other")
    execution.copies.update(planned_path="shop/manual/whole.tar.gz")
    whole = next(Path(settings.BACKUP_ROOT).rglob("whole.tar.gz"))
    return whole.rename(whole.with_name(part_name(whole.name, execution.pk)))


def test_a_run_without_a_heartbeat_is_interrupted_and_its_upload_swept(
    destination: BackupDestination, settings: Settings
) -> None:
    execution = running(destination, heartbeat_at=ago(seconds=10 * settings.BACKUP_HEARTBEAT_TIMEOUT + 1))
    part = leave_part(settings, execution)
    assert part.exists()

    said = tick()

    execution.refresh_from_db()
    assert execution.status == Status.INTERRUPTED
    assert "(elsewhere:4711) died in stage uploading" in execution.error_message
    assert execution.error_hint
    assert not part.exists()
    assert f"backup {execution.pk} interrupted" in said


def test_a_run_of_another_host_that_stores_in_its_own_folder_is_left_to_that_host_for_longer(
    destination: BackupDestination, settings: Settings
) -> None:
    execution = running(destination, heartbeat_at=ago(seconds=2 * settings.BACKUP_HEARTBEAT_TIMEOUT))

    assert reap() == []

    execution.refresh_from_db()
    assert execution.status == Status.RUNNING


def test_a_run_whose_workspace_lies_here_is_ended_after_the_usual_time_under_whatever_name_the_host_had(
    destination: BackupDestination, settings: Settings
) -> None:
    execution = running(destination, heartbeat_at=ago(seconds=settings.BACKUP_HEARTBEAT_TIMEOUT + 1))
    (workspace.root() / f"{execution.pk}.lock").touch()
    (workspace.root() / execution.pk).mkdir()

    assert reap() == [execution]

    assert not (workspace.root() / execution.pk).exists()
    assert not (workspace.root() / f"{execution.pk}.lock").exists()


def test_the_host_that_comes_back_sweeps_what_it_left_of_a_run_that_others_ended(
    destination: BackupDestination, settings: Settings
) -> None:
    execution = running(destination, worker=this_worker())
    part = leave_part(settings, execution)
    execution.transition(Status.RUNNING, status=Status.INTERRUPTED)
    (workspace.root() / f"{execution.pk}.lock").touch()
    (workspace.root() / execution.pk).mkdir()

    tick()

    assert not part.exists()
    assert not (workspace.root() / execution.pk).exists()


def test_a_workspace_in_use_is_never_swept(destination: BackupDestination) -> None:
    execution = running(destination)
    with workspace.workspace(execution.pk) as directory:
        execution.transition(Status.RUNNING, status=Status.INTERRUPTED)

        tick()

        assert directory.is_dir()
        assert workspace.sweep(execution.pk) is False


def test_a_run_that_was_cancelled_and_then_died_counts_as_cancelled(destination: BackupDestination) -> None:
    execution = running(
        destination, heartbeat_at=ago(hours=2), cancel_requested_at=timezone.now(), cancel_requested_by="alice"
    )

    reap()

    execution.refresh_from_db()
    assert (execution.status, execution.error_message) == (Status.CANCELLED, "Cancelled by alice.")
