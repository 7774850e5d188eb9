"""A confirmation is for what was shown: it expires, and another restore in between ends it."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from backups.archive.errors import ArchiveError
from backups.checks.queue import check_own_settings
from backups.errors import BackupError, NotQueued
from backups.models import BackupCopy, BackupExecution, RestoreExecution
from backups.runs import execute
from backups.service.restore.confirmation import AGAIN, changes_of
from backups.service.restore.preview.build import preview
from backups.service.restore.run import run_restore
from backups.service.restore.start import start_undo
from backups.worker import tasks
from backups.worker.tasks import enqueue
from backups.worker.tick import tick
from tests.support.pages.restore_pages import an_outcome
from tests.support.processes.project_programs import manage
from tests.support.restores.instance_restores import Tree, queue, restore, tree, undo
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db(transaction=True)
EXPIRED = "Its confirmation expired: it was not begun within 15 minutes. Nothing was changed."
Restored = Callable[..., RestoreExecution]


@pytest.fixture
def backup(store: Path, back_up: BackUp) -> BackupExecution:
    """A backup of the store, which is another one since."""
    backup = back_up("store")
    (store / "uploads" / "one.bin").write_bytes(b"later")
    return backup


@pytest.fixture
def now(store: Path, backup: BackupExecution) -> Tree:
    return tree(store)


def aged(run: RestoreExecution, **ago: float) -> RestoreExecution:
    RestoreExecution.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(**ago))
    return run


def test_a_restore_that_waited_too_long_is_ended_by_whoever_would_claim_it(
    backup: BackupExecution, store: Path, now: Tree
) -> None:
    late = aged(queue(backup), minutes=15)
    with pytest.raises(NotQueued, match="is failed, not queued"):
        run_restore(late.pk)
    late.refresh_from_db()
    assert (late.status, late.error_message, late.error_hint) == ("failed", EXPIRED, AGAIN)
    assert tree(store) == now


def test_the_claim_itself_refuses_one_that_expires_right_then(
    backup: BackupExecution, store: Path, now: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = aged(queue(backup), minutes=15)
    monkeypatch.setattr(execute, "reap", lambda **_: [])
    with pytest.raises(NotQueued):
        run_restore(late.pk)
    assert tree(store) == now


def test_a_worker_runs_one_that_is_young_enough_and_not_the_other(
    backup: BackupExecution, store: Path, now: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "supervise", lambda kind, run: run_restore(run.pk).status)
    late = aged(queue(backup), minutes=16)
    enqueue(late)
    with pytest.raises(NotQueued):
        tasks.restore(late.pk)
    assert tree(store) == now
    young = aged(queue(backup), minutes=14)
    enqueue(young)
    assert tasks.restore(young.pk) == f"{young.pk} completed"
    assert tree(store) != now


@pytest.mark.parametrize("ago", [timedelta(minutes=16), timedelta(days=14_600), timedelta(minutes=-3)])
def test_the_tick_ends_it_too_and_another_one_is_not_kept_waiting(backup: BackupExecution, ago: timedelta) -> None:
    late = aged(queue(backup), seconds=ago.total_seconds())
    assert f"restore {late.pk} failed" in tick()
    late.refresh_from_db()
    assert late.error_message == EXPIRED
    assert restore(backup).status == "completed"


def test_an_expired_one_blocks_no_other_even_before_the_tick(backup: BackupExecution) -> None:
    late = aged(queue(backup), minutes=16)
    assert queue(backup).status == "queued"
    late.refresh_from_db()
    assert late.status == "failed"


def test_one_that_runs_never_expires(backup: BackupExecution) -> None:
    running = aged(queue(backup), days=1)
    running.transition(
        RestoreExecution.Status.QUEUED, status="running", worker="elsewhere:1", heartbeat_at=timezone.now()
    )
    tick()
    running.refresh_from_db()
    assert running.status == "running"


def test_how_long_it_holds_is_a_setting(backup: BackupExecution, settings: Settings) -> None:
    settings.BACKUP_RESTORE_CONFIRMATION_MINUTES = 60
    waiting = aged(queue(backup), minutes=59)
    tick()
    waiting.refresh_from_db()
    assert waiting.status == "queued"
    assert run_restore(waiting.pk).status == "completed"


@pytest.mark.parametrize(
    ("minutes", "ids"), [(-1, ["backups.E018"]), (0, ["backups.E018"]), (1, []), (1440, []), (1441, ["backups.W018"])]
)
def test_a_setting_that_makes_no_sense_is_found(minutes: int, ids: list[str], settings: Settings) -> None:
    settings.BACKUP_RESTORE_CONFIRMATION_MINUTES = minutes
    assert [found.id for found in check_own_settings(None)] == ids


def test_a_service_that_goes_on_writing_is_no_reason_to_stop(backup: BackupExecution, store: Path) -> None:
    waiting = queue(backup, changes_seen=preview(backup, "store").changes_seen)
    (store / "uploads" / "one.bin").write_bytes(b"later still")
    assert run_restore(waiting.pk).status == "completed"


def test_another_restore_since_the_preview_refuses_the_confirmation(
    backup: BackupExecution, store: Path, now: Tree
) -> None:
    seen = preview(backup, "store").changes_seen
    undo(restore(backup))
    before = tree(store)
    with pytest.raises(BackupError, match="Another restore of store was carried out since") as refused:
        queue(backup, changes_seen=seen)
    assert refused.value.hint == AGAIN
    assert tree(store) == before
    assert queue(backup, changes_seen=preview(backup, "store").changes_seen).status == "queued"


def test_another_restore_since_the_confirmation_stops_it_before_anything_is_touched(
    backup: BackupExecution, store: Path, now: Tree
) -> None:
    waiting = queue(backup)
    RestoreExecution.objects.create(
        instance="store", execution=backup, status="completed", triggered_by="alice", archive_sha256="x",
        outcome=an_outcome("restored"),
    )  # fmt: skip
    with pytest.raises(BackupError, match="Another restore of store was carried out since"):
        run_restore(waiting.pk)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.stage, waiting.error_hint) == ("failed", "waiting", AGAIN)
    assert waiting.error_message.endswith(". Nothing was changed.")
    assert tree(store) == now
    assert not BackupExecution.objects.filter(kind="safety").exists()


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [
        ({}, {"status": "failed"}, False),
        ({}, {"status": "failed", "outcome": an_outcome("unchanged")}, False),
        ({}, {"status": "queued"}, False),
        ({}, {"status": "running", "outcome": an_outcome("applying")}, True),
        ({}, {"status": "interrupted", "outcome": an_outcome("applying")}, True),
        ({}, {"status": "failed", "outcome": an_outcome("rolled back")}, True),
        (
            {"status": "running", "outcome": an_outcome("applying")},
            {"status": "completed", "outcome": an_outcome("restored")},
            True,
        ),
        ({"status": "completed", "outcome": an_outcome("restored")}, {"triggered_by": "bob"}, False),
    ],
)
def test_only_a_restore_that_changed_something_counts_whatever_its_times_are(
    before: dict[str, object], after: dict[str, object], counts: bool, backup: BackupExecution
) -> None:
    row = queue(backup)
    RestoreExecution.objects.filter(pk=row.pk).update(**before)
    seen = changes_of("store")
    RestoreExecution.objects.filter(pk=row.pk).update(**after, started_at=timezone.now() - timedelta(days=14_600))
    assert (changes_of("store") != seen) == counts
    assert changes_of("other") == "0-0"


def test_an_undo_is_bound_to_its_preview_too(backup: BackupExecution) -> None:
    done = restore(backup)
    seen = preview(backup, "store").changes_seen
    undo(done)
    with pytest.raises(BackupError, match="Another restore of store was carried out since"):
        start_undo(done, by="tests", changes_seen=seen)


def test_another_archive_by_then_stops_it_before_anything_is_touched(
    backup: BackupExecution, store: Path, now: Tree
) -> None:
    waiting = queue(backup)
    BackupExecution.objects.update(archive_sha256="0" * 64)
    BackupCopy.objects.update(sha256="0" * 64)
    with pytest.raises(ArchiveError, match="is not the archive that was confirmed"):
        run_restore(waiting.pk)
    waiting.refresh_from_db()
    assert waiting.status == "failed"
    assert tree(store) == now


def test_the_command_confirms_what_is_so_in_that_moment(backup: BackupExecution, home: Path) -> None:
    undo(restore(backup))
    ended = manage(home, "restore", backup.pk, "--confirm", "--accept-unsigned")
    assert ended.returncode == 0, ended.stderr
    assert RestoreExecution.objects.filter(status="completed").count() == 3
