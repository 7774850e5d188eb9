"""Stopping a backup: while it waits, between its stages, inside each of them, and not any more."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection

from backups.errors import BackupError, Cancelled, Interrupted, NotQueued
from backups.models import BackupExecution
from backups.runs import progress
from backups.runs.claim import claim
from backups.runs.finish import cancel
from backups.service.backup.run import run_backup
from backups.service.backup.start import start_backup
from destinations.models import BackupDestination
from tests.support.databases.sqlite_files import exclusively_locked, make_database
from tests.support.site_fixtures import BackUp, Declare, OnStage

Listing = Callable[[], list[str]]
pytestmark = pytest.mark.django_db(transaction=True)
STAGES = ["preparing", "exporting", "checking", "packing", "uploading"]


@pytest.fixture
def shop(tmp_path: Path, declare: Declare) -> Path:
    root = tmp_path / "shop"
    root.mkdir()
    make_database(root / "orders.db", rows=100)
    declare(
        f'[shop]\nkind = "generic"\nroot = "{root}"\n[shop.components.orders]\nkind = "sqlite"\npath = "orders.db"\n'
    )
    return root


def cancel_latest() -> None:
    cancel(BackupExecution.objects.latest(), by="ada")


def assert_cancelled(archives: Listing, workspaces: Listing) -> None:
    execution = BackupExecution.objects.latest()
    assert (execution.status, execution.error_message) == ("cancelled", "Cancelled by ada.")
    assert (execution.cancel_requested_by, execution.backup_path) == ("ada", "")
    assert execution.cancel_requested_at is not None
    assert archives() == []
    assert workspaces() == []


def test_a_queued_backup_is_cancelled_at_once(shop: Path, destination: BackupDestination) -> None:
    execution = start_backup("shop", destination, by="tests")
    cancel(execution, by="ada")
    execution.refresh_from_db()
    assert (execution.status, execution.error_message) == ("cancelled", "Cancelled by ada before it started.")
    assert execution.completed_at is not None
    destination.refresh_from_db()
    assert (destination.last_backup_at, destination.last_backup_status) == (None, "")
    with pytest.raises(NotQueued, match=r"is cancelled, not queued\.$"):
        run_backup(execution.pk)


@pytest.mark.parametrize("stage", STAGES)
def test_a_running_backup_is_cancelled_between_its_stages(
    shop: Path, back_up: BackUp, on_stage: OnStage, archives: Listing, workspaces: Listing, stage: str
) -> None:
    on_stage(stage, cancel_latest)
    with pytest.raises(Cancelled, match=r"^Cancelled by ada\.$"):
        back_up("shop")
    assert_cancelled(archives, workspaces)
    assert [name for name, _ in BackupExecution.objects.latest().timeline] == [
        *STAGES[: STAGES.index(stage) + 1], "cancelled",
    ]  # fmt: skip


@pytest.mark.parametrize("stage", ["exporting", "packing", "uploading"])
def test_a_running_backup_is_cancelled_inside_a_stage(
    shop: Path, back_up: BackUp, archives: Listing, workspaces: Listing, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    monkeypatch.setattr(progress, "INTERVAL_SECONDS", 0.005)
    count = progress.Monitor.advance

    def advance(self: progress.Monitor, delta: int) -> None:
        if self.run.stage == stage and delta:
            cancel_latest()
            hear(lambda: count(self, 0))
        count(self, delta)

    monkeypatch.setattr(progress.Monitor, "advance", advance)
    with pytest.raises(Cancelled, match=r"^Cancelled by ada\.$"):
        back_up("shop")
    assert_cancelled(archives, workspaces)
    assert BackupExecution.objects.latest().timeline[-2][0] == stage


def hear(count: Callable[[], None]) -> None:
    """Wait for the heartbeat that hears the wish: it makes the next count raise."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        count()
        time.sleep(0.005)


class Later(threading.Thread):
    def __init__(self, action: Callable[[], None]) -> None:
        super().__init__()
        self.action = action

    def run(self) -> None:
        time.sleep(0.015)
        self.action()
        connection.close()


def test_a_backup_that_waits_for_a_lock_is_cancelled_at_its_next_heartbeat(
    shop: Path, back_up: BackUp, on_stage: OnStage, archives: Listing, workspaces: Listing,
    settings: object, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    settings.BACKUP_LOCK_TIMEOUT = 30.0  # type: ignore[attr-defined]
    monkeypatch.setattr(progress, "INTERVAL_SECONDS", 0.05)
    cancelling = Later(cancel_latest)
    on_stage("exporting", cancelling.start)
    began = time.monotonic()
    with exclusively_locked(shop / "orders.db"), pytest.raises(Cancelled):
        back_up("shop")
    cancelling.join()
    assert time.monotonic() - began < 15
    assert_cancelled(archives, workspaces)


def test_a_wish_that_comes_when_the_archive_stands_changes_nothing(
    shop: Path, back_up: BackUp, on_stage: OnStage, archives: Listing
) -> None:
    on_stage("recording", cancel_latest)
    execution = back_up("shop")
    assert execution.status == "completed"
    assert archives() == [f"nas/{execution.backup_path}"]


def test_a_backup_that_ended_cannot_be_cancelled(shop: Path, back_up: BackUp) -> None:
    execution = back_up("shop")
    with pytest.raises(BackupError, match=f"{execution.pk} has ended already"):
        cancel(execution, by="ada")
    execution.refresh_from_db()
    assert (execution.status, execution.cancel_requested_at) == ("completed", None)


def test_a_backup_whose_row_was_ended_by_others_stops_and_leaves_nothing(
    shop: Path, back_up: BackUp, on_stage: OnStage, archives: Listing, workspaces: Listing
) -> None:
    def end() -> None:
        BackupExecution.objects.update(status="interrupted", error_message="taken for dead")

    on_stage("packing", end)
    with pytest.raises(Interrupted, match="not marked as running any more"):
        back_up("shop")
    execution = BackupExecution.objects.get()
    assert (execution.status, execution.error_message) == ("interrupted", "taken for dead")
    assert archives() == []
    assert workspaces() == []
    assert execution.backup_path == ""


def test_a_heartbeat_before_the_first_stage_does_no_harm(
    shop: Path, destination: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "INTERVAL_SECONDS", 0.005)
    execution = start_backup("shop", destination, by="tests")
    claim(execution)
    before = execution.heartbeat_at
    with progress.Monitor(execution):
        time.sleep(0.1)
    execution.refresh_from_db()
    assert before is not None
    assert execution.heartbeat_at is not None
    assert execution.heartbeat_at > before
    assert (execution.stage, execution.progress_percent) == ("waiting", 0)


def test_progress_is_written_while_a_stage_runs(
    shop: Path, back_up: BackUp, on_stage: OnStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop / "orders.db").unlink()
    make_database(shop / "orders.db", rows=40, blob_bytes=1_000_000)
    monkeypatch.setattr(progress, "INTERVAL_SECONDS", 0.005)
    seen: list[tuple[str, int, int]] = []
    watching = threading.Event()

    def watch() -> None:
        rows = BackupExecution.objects.values_list("stage", "progress_bytes", "progress_percent")
        while not watching.wait(0.002):
            seen.extend(rows.all())
        connection.close()

    watcher = threading.Thread(target=watch)
    on_stage("exporting", watcher.start)
    back_up("shop")
    watching.set()
    watcher.join()
    copied = [copied for stage, copied, _ in seen if stage == "exporting"]
    percents = [percent for *_, percent in seen]
    assert max(copied) > 1_000_000
    assert percents == sorted(percents)
    assert len(set(percents)) > 5
