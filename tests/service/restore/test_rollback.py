"""Whatever fails during a restore: what was touched is back, what was not is untouched, and the row says why."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from backups.checks.restores import check_half_restored
from backups.components import Component
from backups.components.sqlite.component import SQLiteComponent
from backups.errors import BackupError, ComponentError
from backups.models import BackupExecution, InstanceState
from backups.runs import execute, hooks
from backups.runs.finish import Ending, message_of
from backups.runs.recovery import unrecorded
from backups.runs.recovery.reap import reap
from backups.service.restore import apply as applying
from backups.service.restore import run as engine
from backups.service.restore.ending import finish as finishing
from backups.service.restore.ending import restart, rollback
from destinations.lib.operator_error import sentences
from tests.support.databases.sqlite_files import rows_of
from tests.support.restores.instance_restores import (
    TACACS_DATABASES,
    drafts,
    restore,
    spoil_tacacs,
    tacacs_state,
    the_restore,
    undo,
)
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db
Listing = Callable[[], list[str]]
NAMES = list(TACACS_DATABASES)
HOOKS = """
[tacacs-hq.hooks]
before_restore = ["sh", "-c", "echo stopped >> {log}"]
after_restore = ["sh", "-c", "echo started >> {log}"]
"""


@pytest.fixture
def hook_log(tacacs_root: Path, home: Path, declare: Callable[[str], None]) -> Path:
    """Return the file into which the hooks write that they ran."""
    log = home / "hooks.log"
    declare((home / "instances.toml").read_text() + HOOKS.format(log=log))
    return log


@pytest.fixture
def spoilt(tacacs_root: Path, back_up: BackUp) -> tuple[BackupExecution, dict[str, object]]:
    """Return a backup and what the instance holds since then, which a failed restore must leave."""
    backup = back_up()
    spoil_tacacs(tacacs_root)
    return backup, tacacs_state(tacacs_root)


class Fault:
    """Fails at the nth call of what it wraps, before or after it was done."""

    def __init__(self, wrapped: Callable[..., Any], nth: int, when: str, error: Exception) -> None:
        self._wrapped, self._left, self._when, self._error = wrapped, nth, when, error

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self._left -= 1
        if self._left == 0 and self._when == "before":
            raise self._error
        result = self._wrapped(*arguments, **options)
        if self._left == 0:
            raise self._error
        return result


def assert_as_before(root: Path, before: dict[str, object], workspaces: Listing) -> None:
    assert tacacs_state(root) == before
    assert drafts(root) == []
    assert workspaces() == []
    assert not (root / "data" / restart.MARKER).exists()
    assert not InstanceState.objects.exclude(restart_required_since=None).exists()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("nth", range(1, 7))
def test_a_component_that_cannot_be_applied_takes_all_of_them_back(
    nth: int,
    when: str,
    spoilt: Any,
    tacacs_root: Path,
    hook_log: Path,
    workspaces: Listing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backup, before = spoilt
    monkeypatch.setattr(
        applying, "apply_archived", Fault(applying.apply_archived, nth, when, ComponentError("The disk said no."))
    )
    with pytest.raises(ComponentError, match=r"^The disk said no\.$"):
        restore(backup)
    assert_as_before(tacacs_root, before, workspaces)
    row = the_restore()
    assert row.status == "failed"
    assert row.error_message == "The disk said no. What it had changed was rolled back."
    assert {name: note["state"] for name, note in row.outcome.items()} == dict.fromkeys(NAMES[:nth], "rolled back")
    assert hook_log.read_text() == "stopped\nstarted\n"


@pytest.mark.parametrize("nth", range(1, 7))
def test_a_component_that_cannot_be_proven_takes_all_of_them_back(
    nth: int, spoilt: Any, tacacs_root: Path, hook_log: Path, workspaces: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup, before = spoilt
    # the configuration proves its overrides through the same function
    fault = Fault(SQLiteComponent.verify, nth, "before", ComponentError("not as in the backup"))
    monkeypatch.setattr(SQLiteComponent, "verify", lambda *arguments: fault(*arguments))
    with pytest.raises(ComponentError, match=r"^not as in the backup$"):
        restore(backup)
    assert_as_before(tacacs_root, before, workspaces)
    assert hook_log.read_text() == "stopped\nstarted\n"


@pytest.mark.parametrize("error", [RuntimeError("secret"), MemoryError(), OSError(28, "No space left on device")])
def test_an_error_that_nobody_foresaw_takes_everything_back_and_keeps_its_text_to_itself(
    error: Exception,
    spoilt: Any,
    tacacs_root: Path,
    hook_log: Path,
    workspaces: Listing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backup, before = spoilt
    monkeypatch.setattr(applying, "apply_archived", Fault(applying.apply_archived, 3, "after", error))
    with pytest.raises(type(error)):
        restore(backup)
    assert_as_before(tacacs_root, before, workspaces)
    row = the_restore()
    assert row.status == "failed"
    assert row.error_message == (sentences(message_of(error), "What it had changed was rolled back."))
    assert hook_log.read_text() == "stopped\nstarted\n"


class Lock:
    """Locks a database when the restore is about to apply, as a service does that begins a long transaction."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self._root, self._patch = root, patch
        self._service: sqlite3.Connection | None = None

    def __call__(self, component: str, statement: str = "SELECT 1") -> None:
        def hook(*_: object) -> None:
            if self._service is None:
                path = self._root / TACACS_DATABASES[component]
                self._service = sqlite3.connect(path, isolation_level=None)
                self._service.execute("BEGIN EXCLUSIVE")
                self._service.execute(statement)

        self._patch.setattr(engine, "run_hook", hook)

    def commit(self) -> None:
        assert self._service is not None
        self._service.execute("COMMIT")
        self._service.close()


@pytest.fixture
def lock_when_applying(tacacs_root: Path, monkeypatch: pytest.MonkeyPatch) -> Lock:
    return Lock(tacacs_root, monkeypatch)


@pytest.mark.parametrize("locked", ["accounting", "audit"])
def test_a_database_that_stays_locked_fails_the_restore_and_is_not_touched(
    locked: str, spoilt: Any, tacacs_root: Path, workspaces: Listing, lock_when_applying: Lock
) -> None:
    backup, before = spoilt
    lock_when_applying(locked)
    with pytest.raises(BackupError, match=r"\.db stayed locked by another process for 1 s\.$"):
        restore(backup)
    lock_when_applying.commit()
    assert_as_before(tacacs_root, before, workspaces)
    row = the_restore()
    states = {name: note["state"] for name, note in row.outcome.items()}
    assert states == dict.fromkeys(NAMES[: NAMES.index(locked)], "rolled back") | {locked: "unchanged"}
    assert "stayed locked by another process for 1 s" in row.error_message
    assert "what it had changed was rolled back" in row.error_message.lower()


def test_a_marker_that_cannot_be_written_is_a_warning_because_the_data_is_proven(
    spoilt: Any, tacacs_root: Path, hook_log: Path, home: Path, declare: Callable[[str], None]
) -> None:
    backup, _ = spoilt
    text = (home / "instances.toml").read_text()
    declare(text.replace("[tacacs-hq.hooks]", 'state = "config/tacacs.conf"\n[tacacs-hq.hooks]'))
    restored = restore(backup)
    assert restored.status == "completed"
    (warning,) = restored.warnings
    assert warning.startswith(f"{tacacs_root}/config/tacacs.conf/restart-required.json cannot be written: ")
    assert InstanceState.objects.get().restart_required_by == restored.pk


def test_a_hook_that_fails_before_stops_the_restore_with_nothing_changed(
    spoilt: Any, tacacs_root: Path, home: Path, declare: Callable[[str], None], workspaces: Listing
) -> None:
    backup, before = spoilt
    log = home / "hooks.log"
    hooks = HOOKS.format(log=log).replace(f"echo stopped >> {log}", "echo will not; exit 3")
    declare((home / "instances.toml").read_text() + hooks)
    with pytest.raises(BackupError, match=r"^The hook before_restore \(sh\) failed with exit code 3\.$"):
        restore(backup)
    assert_as_before(tacacs_root, before, workspaces)
    row = the_restore()
    assert (row.status, row.outcome) == ("failed", {})
    assert "hook before_restore (sh) failed with exit code 3. Nothing was changed." in row.error_message
    assert [note["output"] for note in row.hook_output] == ["will not\n", ""]
    # it may have stopped the service before it failed
    assert log.read_text() == "started\n"


def test_a_hook_that_fails_after_is_a_warning_for_everybody_to_see(
    spoilt: Any, tacacs_root: Path, home: Path, declare: Callable[[str], None]
) -> None:
    backup, _ = spoilt
    declare((home / "instances.toml").read_text() + '\n[tacacs-hq.hooks]\nafter_restore = ["false"]\n')
    restored = restore(backup)
    assert restored.status == "completed"
    (warning,) = restored.warnings
    assert "hook after_restore (false) failed with exit code 1" in warning
    assert "may not be running" in warning


def fault_in_rollback(monkeypatch: pytest.MonkeyPatch, component: str) -> None:
    real = rollback.apply_archived

    def apply_archived(target: Component, *arguments: Any) -> None:
        if target.name == component:
            raise ComponentError(f"{component} will not")
        real(target, *arguments)

    monkeypatch.setattr(rollback, "apply_archived", apply_archived)


def test_a_rollback_that_fails_says_what_to_do_and_the_undo_then_works(
    spoilt: Any, tacacs_root: Path, hook_log: Path, workspaces: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup, before = spoilt
    with monkeypatch.context() as patch:
        patch.setattr(
            applying, "apply_archived", Fault(applying.apply_archived, 4, "after", ComponentError("The disk said no."))
        )
        fault_in_rollback(patch, "devices")
        with pytest.raises(BackupError) as failed:
            restore(backup)
    row = the_restore()
    assert row.status == "failed"
    assert row.error_message.startswith(failed.value.message)
    for said in ("The disk said no.", "devices will not", "devices: unknown", "Everything else is as before."):
        assert said in row.error_message
    assert f"manage.py restore --undo {row.pk} --confirm" in row.error_hint
    # one that cannot be brought back keeps no other from it
    assert {name: note["state"] for name, note in row.outcome.items()} == {
        "config": "rolled back", "devices": "applying", "users": "rolled back", "accounting": "rolled back",
    }  # fmt: skip
    assert hook_log.read_text() == "stopped\nstarted\n"
    undone = undo(row)
    assert list(undone.outcome) == ["devices"]
    assert tacacs_state(tacacs_root) == before


@pytest.mark.parametrize("error", [RecursionError("hunter2"), MemoryError(), sqlite3.DatabaseError("hunter2")])
def test_whatever_fails_in_a_rollback_keeps_no_other_component_from_it_and_the_row_says_what_the_data_is(
    error: Exception, spoilt: Any, tacacs_root: Path, hook_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup, before = spoilt
    real = rollback.apply_archived

    def apply_archived(target: Component, *arguments: Any) -> None:
        if target.name == "devices":
            raise error
        real(target, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(applying, "apply_archived", Fault(applying.apply_archived, 4, "after", RecursionError()))
        patch.setattr(rollback, "apply_archived", apply_archived)
        with pytest.raises(BackupError):
            restore(backup)
    row = the_restore()
    assert row.status == "failed"
    for said in ("RecursionError", message_of(error), "devices: unknown"):
        assert said in row.error_message
    assert "hunter2" not in row.error_message
    assert {name: note["state"] for name, note in row.outcome.items()} == {
        "config": "rolled back", "devices": "applying", "users": "rolled back", "accounting": "rolled back",
    }  # fmt: skip
    assert hook_log.read_text() == "stopped\nstarted\n"
    (listed,) = check_half_restored(None, databases=["default"])
    assert (listed.id, listed.hint) == ("backups.W081", row.error_hint)
    assert row.pk in listed.msg
    undo(row)
    assert tacacs_state(tacacs_root) == before
    assert check_half_restored(None, databases=["default"]) == []


@pytest.mark.parametrize("broken", ["require", "run_hook"])
def test_what_fails_when_the_data_is_proven_is_a_warning_and_the_rest_is_done(
    broken: str, spoilt: Any, hook_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup, _ = spoilt

    def fail(*_: object) -> None:
        raise RecursionError

    monkeypatch.setattr(*((restart, "require") if broken == "require" else (finishing, "run_hook")), fail)
    restored = restore(backup)
    assert restored.status == "completed"
    (warning,) = restored.warnings
    assert "RecursionError" in warning
    assert hook_log.read_text() == ("stopped\nstarted\n" if broken == "require" else "stopped\n")


def test_a_disk_without_room_for_the_output_of_a_hook_keeps_no_service_down(
    spoilt: Any, hook_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup, _ = spoilt

    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(hooks.tempfile, "TemporaryFile", full)
    assert restore(backup).status == "completed"
    assert hook_log.read_text() == "stopped\nstarted\n"


def test_a_signal_between_an_error_and_its_handling_keeps_nothing_from_being_put_right(
    spoilt: Any, tacacs_root: Path, hook_log: Path, workspaces: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup, before = spoilt
    real, came = execute.defer_signals, []

    @contextmanager
    def too_late() -> Iterator[Callable[[], None]]:
        if not came:
            came.append(True)
            raise KeyboardInterrupt
        with real() as take_effect:
            yield take_effect

    monkeypatch.setattr(execute, "defer_signals", too_late)
    monkeypatch.setattr(
        applying, "apply_archived", Fault(applying.apply_archived, 3, "after", ComponentError("The disk said no."))
    )
    with pytest.raises(KeyboardInterrupt):
        restore(backup)
    assert came
    assert_as_before(tacacs_root, before, workspaces)
    row = the_restore()
    assert row.status == "interrupted"
    assert row.error_message == sentences(message_of(KeyboardInterrupt()), "What it had changed was rolled back.")
    assert hook_log.read_text() == "stopped\nstarted\n"


def test_what_another_host_took_for_half_done_is_corrected_by_what_was_kept(
    spoilt: Any, hook_log: Path, workspaces: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup, _ = spoilt
    monkeypatch.setattr(
        applying, "apply_archived", Fault(applying.apply_archived, 3, "after", ComponentError("The disk said no."))
    )
    with pytest.raises(ComponentError):
        restore(backup)
    row = the_restore()
    unrecorded.save(row, Ending(row.Status.FAILED, row.error_message, row.error_hint))
    halfway = {name: note | {"state": "applying"} for name, note in row.outcome.items()}
    told = {"error_message": "It died. It may be half done.", "error_hint": "undo it", "outcome": halfway}
    row.transition(row.Status.FAILED, status="interrupted", **told)
    assert check_half_restored(None, databases=["default"])

    assert [kept["status"] for kept in unrecorded.pending_ends().values()] == ["failed"]
    reap()

    row = the_restore()
    assert (row.status, row.error_hint, row.touched) == ("failed", "", {})
    assert row.error_message == "The disk said no. What it had changed was rolled back."
    assert check_half_restored(None, databases=["default"]) == []
    assert workspaces() == []


def test_a_rollback_needs_no_destination(
    spoilt: Any, tacacs_root: Path, home: Path, workspaces: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup, before = spoilt
    fault = Fault(applying.apply_archived, 2, "after", ComponentError("The disk said no."))

    def gone(*arguments: Any) -> None:
        shutil.rmtree(home / "backups", ignore_errors=True)
        fault(*arguments)

    monkeypatch.setattr(applying, "apply_archived", gone)
    with pytest.raises(ComponentError):
        restore(backup)
    assert_as_before(tacacs_root, before, workspaces)


def test_what_a_service_writes_into_a_database_that_was_not_touched_is_not_rolled_back(
    spoilt: Any, tacacs_root: Path, lock_when_applying: "Lock"
) -> None:
    backup, before = spoilt
    lock_when_applying("metrics", "UPDATE metrics_snapshots SET auth_requests = 7")
    with pytest.raises(BackupError, match=r"stayed locked"):
        restore(backup, components=["audit", "metrics"])
    lock_when_applying.commit()
    after = tacacs_state(tacacs_root)
    assert rows_of(
        tacacs_root / TACACS_DATABASES["metrics"], "SELECT DISTINCT auth_requests FROM metrics_snapshots"
    ) == [(7,)]
    assert after | {"metrics": None} == before | {"metrics": None}
