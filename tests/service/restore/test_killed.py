"""Restores that are killed, told to end, or cancelled at any moment: the instance is whole, and the way on is named."""

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backups.components.files import replace as component_tree
from backups.components.files.component import FilesComponent
from backups.components.sqlite import restore as sqlite_restore
from backups.components.sqlite.component import SQLiteComponent
from backups.errors import Cancelled, ComponentError
from backups.lib import atomic as replacing
from backups.models import BackupExecution, RestoreExecution
from backups.runs import finish, progress
from backups.runs.finish import cancel
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
from backups.service.restore.run import run_restore
from tests.support.databases.sqlite_files import rows_of
from tests.support.restores.instance_restores import (
    Tree,
    change,
    drafts,
    queue,
    restore,
    spoil_tacacs,
    tacacs_state,
    the_restore,
    tree,
    undo,
)
from tests.support.restores.killed_restores import Moment, Victims, killed_at
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db(transaction=True)
Listing = Callable[[], list[str]]
ROUNDS = 12
State = dict[str, object]


class Scene:
    """A backup of the instance, what it held then, and what it holds since."""

    def __init__(self, root: Path, backup: BackupExecution, new: State, old: State, log: Path) -> None:
        self.root, self.backup, self.new, self.old, self.hook_log = root, backup, new, old, log

    def queue(self) -> RestoreExecution:
        # the process that runs it has another home, and does not know the key that signs here
        return queue(self.backup, accept_unsigned=True)

    def whole(self) -> bool:
        """True when each component is the old or the new one, whole; the configuration is a file and a database."""
        state = tacacs_state(self.root)
        return all(state[name] in (self.old[name], self.new[name]) for name in state)

    def is_old(self) -> bool:
        return tacacs_state(self.root) == self.old

    def is_new(self) -> bool:
        return tacacs_state(self.root) == self.new


@pytest.fixture
def scene(tacacs_root: Path, back_up: BackUp, home: Path, declare: Callable[[str], None]) -> Scene:
    log = home / "hooks.log"
    declare(
        (home / "instances.toml").read_text()
        + f'[tacacs-hq.hooks]\nbefore_restore = ["sh", "-c", "echo stopped >> {log}"]\n'
        + f'after_restore = ["sh", "-c", "echo started >> {log}"]\n'
    )
    new = tacacs_state(tacacs_root)
    backup = back_up()
    spoil_tacacs(tacacs_root)
    return Scene(tacacs_root, backup, new, tacacs_state(tacacs_root), log)


@pytest.fixture
def victims(home: Path, scene: Scene) -> Iterator[Victims]:
    with Victims(home) as victims:
        yield victims


def assert_nothing_lies_around(scene: Scene, workspaces: Listing) -> None:
    assert drafts(scene.root) == []
    assert workspaces() == []
    assert not RestoreExecution.objects.filter(status__in=RestoreExecution.ACTIVE).exists()
    assert not BackupExecution.objects.filter(status__in=BackupExecution.ACTIVE).exists()


# how it ends when its process dies there: the state of the instance, and whether the service was stopped by then
MOMENTS: dict[str, tuple[Moment, str, bool]] = {
    "fetching": (killed_at(engine, "archive_of", after=True), "old", False),
    "staged": (killed_at(engine, "stage", after=True), "old", False),
    "safety begins": (killed_at(engine, "take_safety_backup"), "old", False),
    "safety packs": (killed_at(packing, "write_archive"), "old", False),
    "safety is stored": (killed_at(safety, "verify_members"), "old", False),
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
    assert (row.stage, row.is_verified) == ("proving", False)
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


@pytest.mark.parametrize("stage", ["fetching", "verifying", "safety", "applying", "proving"])
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


TREE_MOMENTS = {
    "tree is built": (killed_at(component_tree, "first_difference"), "old"),
    "tree is to be swapped": (killed_at(component_tree, "exchange"), "old"),
    "tree is swapped": (killed_at(component_tree, "exchange", after=True), "new"),
    "old tree is to be removed": (killed_at(component_tree, "discard_drafts", 1), "new"),
    "tree is proven": (killed_at(FilesComponent, "verify", after=True), "new"),
}


def test_a_tree_whose_restore_is_killed_is_the_old_or_the_new_one_and_nothing_lies_beside_it_later(
    store: Path, back_up: BackUp, home: Path, workspaces: Listing
) -> None:
    def uploads() -> Tree:
        return tree(store / "uploads")

    new = uploads()
    backup = back_up("store")
    (store / "uploads" / "one.bin").unlink()
    (store / "uploads" / "later").write_text("later")
    change(store / "orders.db", "DELETE FROM orders")
    old = tree(store)
    states = {"old": uploads(), "new": new}
    with Victims(home) as victims:
        for moment, (where, state) in TREE_MOMENTS.items():
            assert victims.run(queue(backup, accept_unsigned=True), where) == -signal.SIGKILL, (moment, victims.log)
            assert uploads() == states[state], moment
            reap()
            assert (uploads(), drafts(store), workspaces()) == (states["old"], [], []), moment
            assert the_restore().error_message.endswith(". What it had changed was rolled back.")
    assert {name: about for name, about in tree(store).items() if name != "orders.db"} == {
        name: about for name, about in old.items() if name != "orders.db"
    }
    assert rows_of(store / "orders.db") == []
    assert restore(backup).status == "completed"
    assert uploads() == new
