"""Restores that are told to end, or cancelled, at any moment."""

import signal
import threading
import time
from typing import Any

import pytest

from backups.components.sqlite.component import SQLiteComponent
from backups.errors import Cancelled, ComponentError
from backups.models import RestoreExecution
from backups.runs import progress
from backups.runs.finish import cancel
from backups.service.restore import apply as applying
from backups.service.restore import run as engine
from backups.service.restore import safety
from backups.service.restore.ending import finish as finishing
from backups.service.restore.ending import rollback
from backups.service.restore.run import run_restore
from tests.support.restores.instance_restores import queue, the_restore
from tests.support.restores.killed_restores import Victims, killed_at
from tests.support.restores.scenes import Scene, assert_nothing_lies_around
from tests.support.site_fixtures import Listing

pytestmark = pytest.mark.django_db(transaction=True)
SIGNALLED = {
    "fetching": (killed_at(engine, "archive_of", how=signal.SIGTERM), "Nothing was changed."),
    "safety": (killed_at(safety, "verify_members", how=signal.SIGTERM), "Nothing was changed."),
    "applying": (killed_at(applying, "apply_archived", 3, how=signal.SIGTERM), "What it had changed was rolled back."),
    "applied": (
        killed_at(applying, "apply_archived", 6, after=True, how=signal.SIGTERM),
        "What it had changed was rolled back.",
    ),
}


@pytest.mark.parametrize(
    ("how", "why"),
    [
        (signal.SIGTERM, ""),
        (signal.SIGINT, ""),
        (signal.SIGHUP, " (SIGHUP: its terminal was closed)"),
        (signal.SIGQUIT, " (SIGQUIT)"),
    ],
)
def test_a_restore_that_is_told_to_end_puts_things_right_first(
    how: int, why: str, scene: Scene, victims: Victims, workspaces: Listing
) -> None:
    for moment, ((function, nth, _, after), aftermath) in SIGNALLED.items():
        victims.run(scene.queue(), (function, nth, how, after))
        assert scene.is_old(), moment
        row = the_restore()
        assert row.status == "interrupted", moment
        assert why in row.error_message and row.error_message.endswith(f". {aftermath}"), moment
        assert_nothing_lies_around(scene, workspaces)


def test_a_signal_during_the_rollback_waits_and_the_first_reason_stays(
    scene: Scene, victims: Victims, workspaces: Listing
) -> None:
    code = victims.run(
        scene.queue(),
        killed_at(SQLiteComponent, "verify", 4, how=signal.SIGALRM),
        killed_at(rollback, "apply_archived", 1, how=signal.SIGTERM),
    )
    assert code == 1
    assert scene.is_old()
    row = the_restore()
    assert row.status == "failed"
    assert row.error_message.startswith("It ran longer than ")
    assert "what it had changed was rolled back" in row.error_message.lower()
    assert_nothing_lies_around(scene, workspaces)


def test_a_rollback_needs_no_thread(scene: Scene, workspaces: Listing, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the limit of processes is reached."""
    started: list[str] = []
    start, apply = threading.Thread.start, applying.apply_archived

    def scarce(thread: threading.Thread) -> None:
        if thread.name.startswith("monitor-"):
            started.append(thread.name)
            # that of the restore, that of its safety backup, and then no more
            if len(started) > 2:
                raise RuntimeError("can't start new thread")
        start(thread)

    def apply_and_fail(*arguments: Any) -> None:
        apply(*arguments)
        raise ComponentError("the disk said no")

    queued = scene.queue()
    monkeypatch.setattr(threading.Thread, "start", scarce)
    monkeypatch.setattr(applying, "apply_archived", apply_and_fail)
    with pytest.raises(ComponentError):
        run_restore(queued.pk)
    assert started[2:] == [f"monitor-{queued.pk}"]
    assert scene.is_old()
    assert_nothing_lies_around(scene, workspaces)


def test_a_signal_after_the_last_proof_does_not_take_the_restore_back(scene: Scene, victims: Victims) -> None:
    victims.run(scene.queue(), killed_at(finishing, "start_service", how=signal.SIGTERM))
    assert scene.is_new()
    assert the_restore().status == "completed"
    assert scene.hook_log.read_text() == "stopped\nstarted\n"


@pytest.mark.parametrize("stage", ["fetching", "verifying", "safety", "applying", "verifying data"])
def test_a_restore_that_is_cancelled_stops_and_takes_back_what_it_changed(
    stage: str, scene: Scene, workspaces: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "INTERVAL_SECONDS", 0.05)
    queued = queue(scene.backup)
    real = progress.Monitor.stage

    def stage_and_cancel(self: progress.Monitor, entered: object, **options: int) -> None:
        real(self, entered, **options)  # type: ignore[arg-type]
        if entered == stage and isinstance(self.run, RestoreExecution):
            cancel(RestoreExecution.objects.get(pk=queued.pk), by="alice")
            # a moment for the thread that listens
            time.sleep(0.3)

    monkeypatch.setattr(progress.Monitor, "stage", stage_and_cancel)
    with pytest.raises(Cancelled, match=r"^[Cc]ancelled by alice\.?$"):
        run_restore(queued.pk)
    assert scene.is_old()
    queued.refresh_from_db()
    assert queued.status == "cancelled"
    assert queued.error_message.lower().startswith("cancelled by alice. ")
    assert_nothing_lies_around(scene, workspaces)
