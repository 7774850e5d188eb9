"""The template of every run: the claim of the instance, the steps after each end, the steps of a kind."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from backups.errors import InstanceBusy
from backups.models import BackupExecution, BackupSchedule, CopyExecution, DrillExecution, RestoreExecution, Run
from backups.runs import finish
from backups.runs.claim import claim
from backups.runs.registry import find_run, kind_of, kinds, register
from backups.service.backup.run import backup_now, run_backup
from backups.service.backup.start import Slot, start_backup
from backups.signals import execution_finished
from destinations.models import BackupDestination
from tests.support.rows import an_execution

Status = Run.Status
pytestmark = pytest.mark.django_db


@contextmanager
def finished_runs() -> Iterator[list[tuple[str, str]]]:
    """Collect the id and status of each run that the signal reports."""
    found: list[tuple[str, str]] = []

    def note(sender: type[Run], execution: Run, **_: object) -> None:
        found.append((execution.pk, execution.status))

    execution_finished.connect(note)
    try:
        yield found
    finally:
        execution_finished.disconnect(note)


@pytest.fixture
def nightly(tacacs_root: Path, destination: BackupDestination) -> BackupSchedule:
    return BackupSchedule.objects.create(
        name="nightly", instance="tacacs-hq", destination=destination, expression="0 2 * * *"
    )


def dead(destination: BackupDestination) -> BackupExecution:
    """Return a running row of another host whose heartbeat stopped long ago."""
    long_ago = timezone.now() - timedelta(days=1)
    return an_execution(
        "tacacs-hq", destination=destination, status=Status.RUNNING, worker="elsewhere:1", heartbeat_at=long_ago
    )


@pytest.mark.parametrize("how", [run_backup, None], ids=["queue", "here"])
def test_a_dead_run_gives_its_instance_to_the_next_one_at_once(
    how: Callable[[str], BackupExecution] | None, tacacs_root: Path, destination: BackupDestination
) -> None:
    lost = dead(destination)
    if how is None:
        done = backup_now("tacacs-hq", destination, by="tests")
    else:
        done = how(start_backup("tacacs-hq", destination, by="tests").pk)
    lost.refresh_from_db()
    assert (done.status, lost.status) == ("completed", "interrupted")


def test_the_claim_alone_reaps_nothing(tacacs_root: Path, destination: BackupDestination) -> None:
    lost = dead(destination)
    run = start_backup("tacacs-hq", destination, by="tests")
    with pytest.raises(InstanceBusy):
        claim(run)
    lost.refresh_from_db()
    assert (lost.status, run.status) == ("running", "queued")


def test_a_queued_run_that_is_cancelled_is_in_the_books_of_its_schedule_and_signalled(
    nightly: BackupSchedule, destination: BackupDestination
) -> None:
    slot = Slot(nightly, timezone.now(), 1)
    run = start_backup("tacacs-hq", destination, by="tests", kind=BackupExecution.Kind.SCHEDULED, slot=slot)
    with finished_runs() as ended:
        finish.cancel(run, by="alice")
    nightly.refresh_from_db()
    destination.refresh_from_db()
    assert ended == [(run.pk, "cancelled")]
    assert (nightly.last_status, nightly.consecutive_failures, nightly.retry_at) == ("cancelled", 0, None)
    # nothing was stored there, and nothing was tried
    assert (destination.last_backup_at, destination.last_backup_status) == (None, "")
    run.refresh_from_db()
    assert (run.cancel_requested_by, run.timeline[-1][0]) == ("alice", "cancelled")


def test_the_cancel_of_a_running_one_ends_nothing_yet(tacacs_root: Path, destination: BackupDestination) -> None:
    run = start_backup("tacacs-hq", destination, by="tests")
    claim(run)
    with finished_runs() as ended:
        finish.cancel(run, by="alice")
    assert (ended, run.status, run.cancel_requested_by) == ([], "running", "alice")


def test_a_step_after_the_end_that_fails_is_logged_and_keeps_no_other_from_its_turn(
    tacacs_root: Path, destination: BackupDestination, caplog: pytest.LogCaptureFixture
) -> None:
    called = []

    def fails(_run: Run) -> None:
        raise ZeroDivisionError

    steps = register(BackupExecution, "backups.service.backup.kind.BACKUP")
    before = list(steps.after_end)
    steps.add(after_end=[fails, lambda run: called.append(run.pk)])
    try:
        with finished_runs() as ended:
            done = backup_now("tacacs-hq", destination, by="tests")
    finally:
        steps.after_end[:] = before
    assert (done.status, called, ended) == ("completed", [done.pk], [(done.pk, "completed")])
    assert any(record.getMessage().startswith("run.after-end-failed") for record in caplog.records)


def test_every_run_model_has_one_kind_and_every_stage_a_share() -> None:
    assert [kind.model for kind in kinds()] == [BackupExecution, RestoreExecution, DrillExecution, CopyExecution]
    for kind in kinds():
        stages = {stage.value for stage in kind.model.Stage}
        assert set(kind.model.shares) == stages
        assert all(0 <= low <= high <= 100 for low, high in kind.model.shares.values())


def test_a_run_is_found_by_its_id_whatever_its_kind() -> None:
    backup = an_execution("shop")
    drill = DrillExecution.objects.create(instance="shop", execution=backup, triggered_by="x")
    assert [find_run(backup.pk), find_run(drill.pk), find_run("none")] == [backup, drill, None]
    assert kind_of(drill).model is DrillExecution
