"""Restores that are killed at any moment: the instance is whole, and the way on is named."""

import random
import signal
import time
from pathlib import Path

import pytest

from backups.components.sqlite import restore as sqlite_restore
from backups.components.sqlite.component import SQLiteComponent
from backups.lib.filesystem import atomic as replacing
from backups.models import RestoreExecution
from backups.runs import finish
from backups.runs.recovery.reap import HOST_LOG_HINT, reap
from backups.service.backup import pack as packing
from backups.service.restore import apply as applying
from backups.service.restore import run as engine
from backups.service.restore import safety
from backups.service.restore.ending import finish as finishing
from backups.service.restore.ending import rollback
from backups.service.restore.ending import settle as settling
from backups.service.restore.ending.rollback import ALL_VERIFIED
from backups.service.restore.ending.settle import RESTART_HINT
from tests.support.restores.instance_restores import restore, the_restore, undo
from tests.support.restores.killed_restores import Moment, Victims, killed_at
from tests.support.restores.scenes import Scene, assert_nothing_lies_around
from tests.support.site_fixtures import Listing
from tests.support.soak import often

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = often(8)
# how it ends when its process dies there: the state of the instance, and whether the service was stopped by then
MOMENTS: dict[str, tuple[Moment, str, bool]] = {
    "fetching": (killed_at(engine, "archive_of", after=True), "old", False),
    "staged": (killed_at(engine, "stage", after=True), "old", False),
    "safety begins": (killed_at(engine, "take_safety_backup"), "old", False),
    "safety packs": (killed_at(packing, "write_archive"), "old", False),
    "safety is verified": (killed_at(safety, "verify_members"), "old", False),
    "safety is taken": (killed_at(engine, "take_safety_backup", after=True), "old", False),
    "service is stopped": (killed_at(engine, "run_hook", after=True), "old", True),
    "first is to be applied": (killed_at(applying, "apply_archived"), "old", True),
    "first is applied": (killed_at(applying, "apply_archived", after=True), "old", True),
    "file is replaced": (killed_at(replacing, "sync_directory"), "old", True),
    "copying": (killed_at(sqlite_restore, "_copy_into", 3), "old", True),
    "log is folded back": (killed_at(sqlite_restore, "_shrink_wal", 2), "old", True),
    "third is proven": (killed_at(applying, "apply_archived", 4), "old", True),
    "last is applied": (killed_at(applying, "apply_archived", 6, after=True), "old", True),
    "all are proven": (killed_at(engine, "finish_restore"), "old", True),
    "restart is asked for": (killed_at(finishing, "start_service"), "new", True),
    "service is started": (killed_at(finishing, "start_service", after=True), "new", True),
    # the first end is that of the safety backup
    "end is recorded": (killed_at(finish, "record_end", 2), "new", True),
}


def test_a_restore_killed_at_any_step_leaves_the_instance_whole_and_the_reaper_finishes_it(
    scene: Scene, victims: Victims, workspaces: Listing
) -> None:
    for moment, (where, state, stopped) in MOMENTS.items():
        scene.hook_log.unlink(missing_ok=True)
        assert victims.run(scene.queue(), where) == -signal.SIGKILL, (moment, victims.log)
        assert scene.whole(), moment
        reap()
        assert (scene.is_old(), scene.is_new()) == (state == "old", state == "new"), moment
        assert_nothing_lies_around(scene, workspaces)
        # what was stopped is started, also when that was left to the reaper
        hooks = scene.hook_log.read_text().split() if scene.hook_log.exists() else []
        assert set(hooks) == ({"stopped", "started"} if stopped else set()), moment
        assert hooks[-1:] == (["started"] if stopped else [])
        if assert_told(the_restore(), state):
            undo(the_restore())
    assert restore(scene.backup).status == "completed"
    assert scene.is_new()


def assert_told(row: RestoreExecution, state: str) -> bool:
    """The row names what happened and the next step; True when there is something to undo."""
    assert row.status == "interrupted"
    assert row.error_message.startswith(f"The process that ran it ({row.worker}) died in stage ")
    if state == "new":
        assert row.error_message.endswith(f". {ALL_VERIFIED}")
        assert row.error_hint == RESTART_HINT
        return True
    assert row.error_message.endswith((". Nothing was changed.", ". What it had changed was rolled back."))
    assert row.error_hint == HOST_LOG_HINT
    return False


@pytest.mark.soak
def test_a_restore_killed_at_any_moment_leaves_the_instance_whole(
    scene: Scene, victims: Victims, workspaces: Listing
) -> None:
    chance = random.Random(2026)
    began = time.monotonic()
    assert victims.run(scene.queue()) == 0
    duration = time.monotonic() - began
    undo(the_restore())
    stages = set()
    for number in range(ROUNDS):
        victims.kill(scene.queue(), duration * (number + chance.random()) / ROUNDS)
        assert scene.whole()
        reap()
        row = the_restore()
        stages.add(row.stage)
        assert scene.is_old() or scene.is_new()
        assert scene.is_new() == (row.status == "completed" or row.stage == "finishing")
        assert_nothing_lies_around(scene, workspaces)
        if scene.is_new():
            undo(row)
            assert scene.is_old()
    assert len(stages) >= 3, stages


@pytest.mark.parametrize("after", [False, True])
def test_a_restore_killed_while_it_verifies_what_it_applied_is_rolled_back_and_its_service_started(
    after: bool, scene: Scene, victims: Victims, workspaces: Listing
) -> None:
    assert victims.run(scene.queue(), killed_at(SQLiteComponent, "verify", 2, after=after)) == -signal.SIGKILL
    row = the_restore()
    assert (row.stage, row.is_verified) == ("verifying data", False)
    assert not scene.is_old()
    reap()
    assert scene.is_old()
    assert_nothing_lies_around(scene, workspaces)
    assert the_restore().status == "interrupted"
    assert {note["state"] for note in the_restore().outcome.values()} == {"rolled back"}
    assert scene.hook_log.read_text() == "stopped\nstarted\n"


def test_a_rollback_that_is_killed_is_finished_by_the_reaper(
    scene: Scene, victims: Victims, workspaces: Listing
) -> None:
    code = victims.run(
        scene.queue(),
        killed_at(applying, "apply_archived", 5, how=signal.SIGTERM),
        killed_at(rollback, "apply_archived", 2, after=True),
    )
    assert code == -signal.SIGKILL
    assert the_restore().stage == "rolling back"
    assert scene.whole()
    reap()
    assert scene.is_old()
    assert_nothing_lies_around(scene, workspaces)
    assert the_restore().error_message.endswith("died in stage rolling back. What it had changed was rolled back.")
    assert scene.hook_log.read_text() == "stopped\nstarted\n"


def test_a_reaper_that_is_killed_leaves_the_rest_to_the_next_one(
    scene: Scene, victims: Victims, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert victims.run(scene.queue(), killed_at(applying, "apply_archived", 5)) == -signal.SIGKILL

    class PowerCut(BaseException):
        pass

    def die(*_: object) -> str:
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(settling, "_roll_back_or_complete", die)
        with pytest.raises(PowerCut):
            reap()
    assert the_restore().status == "running"
    # a killed one leaves its lock, and nobody holds it
    (home / "workspaces" / f"{the_restore().pk}.lock").touch()
    reap()
    assert scene.is_old()
    assert the_restore().status == "interrupted"
