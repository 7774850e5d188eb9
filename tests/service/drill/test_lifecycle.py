"""A drill is a run: it waits, is claimed and ends; what says nothing of the archive is told apart."""

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from django.utils import timezone

from backups.errors import BackupError, NotDeletable, NotQueued
from backups.models import ArchiveUse, BackupExecution, DrillExecution
from backups.runs import workspace
from backups.runs.finish import cancel, message_of
from backups.runs.queue.ownership import this_worker
from backups.runs.recovery.reap import reap
from backups.service.archives.records.delete import delete_backup
from backups.service.drill import trial_restore as trial
from backups.service.drill.run import drill, run_drill, start_drill, verify_backup
from tests.service.drill.test_run import heard
from tests.support.call_commands import command, refused
from tests.support.rows import an_execution
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db
Listing = Callable[[], list[str]]


def test_a_destination_that_does_not_answer_says_nothing_of_the_archive(
    tacacs_root: Path, back_up: BackUp, home: Path, caplog: pytest.LogCaptureFixture, workspaces: Listing
) -> None:
    backup = back_up()
    drill(backup, by="tests")
    (home / "backups").rename(home / "offline")
    caplog.clear()
    with heard() as signals:
        run = drill(backup, by="tests")
    run.refresh_from_db()
    assert (run.status, run.verdict, run.seconds) == ("failed", "", None)
    assert run.error_message.startswith("Cannot open the folder")
    backup.refresh_from_db()
    assert (backup.flaw, backup.verified_at is not None, signals) == ("", True, [])
    assert backup.drill is not None
    assert backup.drill["verdict"] == "passed", "what the drill before said still holds"
    (record,) = [record for record in caplog.records if "drill.failed" in record.message]
    assert (record.levelno, "verdict=" in record.message) == (logging.ERROR, False)
    assert refused("drill", "tacacs-hq").startswith(f"The drill of {backup} has no verdict. Cannot open the folder")
    assert workspaces() == []


def test_a_scratch_place_that_is_full_says_nothing_of_the_archive(
    tacacs_root: Path, home: Path, back_up: BackUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = back_up()
    monkeypatch.setattr(trial, "unpack_archive", _no_space)
    run = drill(backup, by="tests")
    assert (run.status, run.verdict) == ("failed", "")
    scratch = home / "workspaces" / str(run.pk)
    assert run.error_message == f"The workspace {scratch} cannot be written: No space left on device."
    assert backup.flaw == ""


def _no_space(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_an_error_that_nobody_foresaw_ends_the_run_and_says_nothing_of_the_archive(
    tacacs_root: Path, back_up: BackUp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    backup = back_up()
    monkeypatch.setattr(trial, "fetch_nearest", lambda *_, **__: {}["gone"])
    with pytest.raises(KeyError):
        drill(backup, by="tests")
    run = DrillExecution.objects.get()
    assert (run.status, run.verdict, backup.flaw) == ("failed", "", "")
    assert run.error_message == message_of(KeyError())
    assert "drill.crashed" in caplog.text


def test_every_drill_and_verification_is_listed(store: Path, back_up: BackUp) -> None:
    assert command("listdrills").out == "no drills\n"
    backup = back_up("store")
    drill(backup, by="tests")
    verify_backup(backup, by="bob")
    newest, oldest = command("listdrills", "store", "--json").data
    assert (newest["kind"], newest["verdict"], newest["by"], newest["backup"]) == (
        "verification", "passed", "bob", backup.pk,
    )  # fmt: skip
    assert (oldest["kind"], oldest["status"], oldest["files"]) == ("drill", "completed", 3)
    lines = command("listdrills", "--limit", "1").out.splitlines()
    assert len(lines) == 2
    assert lines[1].split()[1:5] == ["store", "verification", "completed", "passed"]
    assert command("listdrills", "elsewhere", "--json").data == []


def test_an_archive_cannot_be_deleted_while_a_drill_of_it_waits_or_runs(store: Path, back_up: BackUp) -> None:
    backup = back_up("store")
    run = start_drill(backup, by="tests")
    with pytest.raises(NotDeletable, match="is in use"):
        delete_backup(backup, by="tests", reason="test")
    cancel(run, by="tests")
    delete_backup(backup, by="tests", reason="test")
    with pytest.raises(BackupError, match="has no archive to drill"):
        start_drill(BackupExecution.objects.get(), by="tests")


def test_an_archive_that_goes_while_its_drill_waits_fails_that_run_and_says_nothing(
    store: Path, back_up: BackUp
) -> None:
    run = start_drill(back_up("store"), by="tests")
    BackupExecution.objects.update(deleted_at=run.created_at)
    with pytest.raises(BackupError, match="has no archive: it is deleted"):
        run_drill(run.pk)
    run.refresh_from_db()
    assert (run.status, run.verdict) == ("failed", "")


def test_a_drill_waits_for_no_backup_and_keeps_none_waiting(store: Path, back_up: BackUp) -> None:
    backup = back_up("store")
    running = an_execution("store", status="running", worker=this_worker(), heartbeat_at=backup.completed_at)
    BackupExecution.objects.filter(pk=running.pk).update(heartbeat_at=timezone.now())
    assert drill(backup, by="tests").verdict == "passed"
    BackupExecution.objects.filter(pk=running.pk).update(status="failed")
    run = start_drill(backup, by="tests")
    run.transition(run.Status.QUEUED, status="running", worker=this_worker(), heartbeat_at=timezone.now())
    assert back_up("store").status == "completed"


def test_a_drill_that_is_cancelled_before_it_starts_is_never_run(store: Path, back_up: BackUp) -> None:
    run = start_drill(back_up("store"), by="tests")
    cancel(run, by="alice")
    with pytest.raises(NotQueued):
        run_drill(run.pk)
    run.refresh_from_db()
    assert (run.status, run.error_message) == ("cancelled", "Cancelled by alice before it started.")


def test_a_drill_whose_process_died_is_ended_and_lets_go_of_everything(
    store: Path, back_up: BackUp, workspaces: Listing
) -> None:
    backup = back_up("store")
    run = start_drill(backup, by="tests")
    host = this_worker().partition(":")[0]
    dead = f"{host}:999999999"
    run.transition(run.Status.QUEUED, status="running", worker=dead, stage="checking", heartbeat_at=timezone.now())
    ArchiveUse.objects.create(execution=backup, worker=dead, since=timezone.now())
    (workspace.root() / run.pk).mkdir()
    (workspace.root() / f"{run.pk}.lock").touch()
    assert reap() == [run]
    run.refresh_from_db()
    assert (run.status, run.verdict) == ("interrupted", "")
    assert run.error_message == f"The process that ran it ({dead}) died in stage checking."
    assert (workspaces(), ArchiveUse.objects.count()) == ([], 0)
