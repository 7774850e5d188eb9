"""Faults in the rollback itself: nothing keeps the rest from being put right, and the row says what the data is."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from backups.checks.restores import check_half_restored
from backups.components import Component
from backups.errors import BackupError, ComponentError
from backups.runs import execute
from backups.runs.finish import Ending, message_of
from backups.runs.recovery import unrecorded
from backups.runs.recovery.reap import reap
from backups.service.restore import apply as applying
from backups.service.restore.ending import rollback
from destinations.lib.operator_error import sentences
from tests.support.restores.faults import Fault, assert_as_before
from tests.support.restores.instance_restores import restore, tacacs_state, the_restore, undo
from tests.support.site_fixtures import Listing

pytestmark = pytest.mark.django_db


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
