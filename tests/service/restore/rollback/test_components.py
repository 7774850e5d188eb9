"""Whatever fails while components are applied: what was touched is back."""

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from backups.components.sqlite.component import SQLiteComponent
from backups.errors import BackupError, ComponentError
from backups.runs.finish import message_of
from backups.service.restore import apply as applying
from backups.service.restore import run as engine
from destinations.lib.operator_error import sentences
from tests.support.databases.sqlite_files import rows_of
from tests.support.restores.faults import Fault, assert_as_before
from tests.support.restores.instance_restores import TACACS_DATABASES, restore, tacacs_state, the_restore
from tests.support.site_fixtures import Listing

pytestmark = pytest.mark.django_db
NAMES = list(TACACS_DATABASES)


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
