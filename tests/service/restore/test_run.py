"""A restore gives back exactly what was backed up, and an undo exactly what was there before."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db.models import TextChoices

from backups.archive.manifest.document import Entry
from backups.components import sqlite
from backups.models import RestoreExecution
from backups.runs.progress import Monitor
from backups.service.archives.verify import check_database
from backups.service.restore.staging import stage
from tests.support.restores.instance_restores import (
    TACACS_DATABASES,
    all_rows,
    change,
    drafts,
    restore,
    spoil_tacacs,
    tacacs_state,
    tree,
    undo,
)
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db
Status = RestoreExecution.Status


def test_all_six_components_come_back_row_by_row_and_byte_by_byte(
    tacacs_root: Path, back_up: BackUp, workspaces: Callable[[], list[str]]
) -> None:
    before = tacacs_state(tacacs_root)
    backup = back_up()
    spoil_tacacs(tacacs_root)
    spoilt = tacacs_state(tacacs_root)
    assert all(spoilt[name] != before[name] for name in before)
    restored = restore(backup)
    assert tacacs_state(tacacs_root) == before
    assert restored.status == Status.COMPLETED
    assert restored.warnings == []
    assert {name: note["state"] for name, note in restored.outcome.items()} == dict.fromkeys(
        ["config", "devices", "users", "accounting", "metrics", "audit"], "restored"
    )
    assert drafts(tacacs_root) == [] and workspaces() == []


def test_its_progress_never_falls_back_while_applying_and_verifying_take_turns(
    tacacs_root: Path, back_up: BackUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[tuple[str, int]] = []
    real = Monitor.stage

    def noting(self: Monitor, stage: TextChoices, *, total: int = 0, done: int = 0) -> None:
        real(self, stage, total=total, done=done)
        if isinstance(self.run, RestoreExecution):
            begun.append((self.run.stage, self.run.progress_percent))

    backup = back_up()
    monkeypatch.setattr(Monitor, "stage", noting)
    restored = restore(backup)
    turns = ["applying", "verifying data"] * len(restored.outcome)
    stages = [stage for stage, _ in begun]
    assert stages == ["fetching", "verifying", "safety", "stopping", *turns, "finishing"]
    percents = [percent for _, percent in begun]
    assert percents == sorted(percents)
    # all is applied when the last component is verified
    assert begun[-2] == ("verifying data", 97)


def test_restored_databases_are_compared_with_those_that_were_checked_without_a_note(
    tacacs_root: Path, back_up: BackUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = back_up()
    before = tacacs_state(tacacs_root)
    spoil_tacacs(tacacs_root)
    examined, real = list[Path](), sqlite.examine

    def check_with_a_note(path: Path, entry: Entry, *, checkpoint: Callable[[int], None]) -> list[str]:
        notes = check_database(path, entry, checkpoint=checkpoint)
        return [*notes, "not all of it"] if entry.component == "users" else notes

    def noted(connection: sqlite3.Connection, *, path: Path, name: str) -> tuple[sqlite.Unchecked, ...]:
        examined.append(path)
        return real(connection, path=path, name=name)

    monkeypatch.setattr(stage, "check_database", check_with_a_note)
    monkeypatch.setattr(sqlite, "examine", noted)
    assert restore(backup).warnings == ["not all of it"]
    assert [path.name for path in examined] == ["local_auth.db"]
    assert tacacs_state(tacacs_root) == before


@pytest.mark.parametrize("component", TACACS_DATABASES)
def test_one_component_alone_comes_back_and_the_others_stay(component: str, tacacs_root: Path, back_up: BackUp) -> None:
    before = tacacs_state(tacacs_root)
    backup = back_up()
    spoil_tacacs(tacacs_root)
    spoilt = tacacs_state(tacacs_root)
    restore(backup, components=[component])
    taken = {component, "file"} if component == "config" else {component}
    expected = {name: before[name] if name in taken else spoilt[name] for name in before}
    assert tacacs_state(tacacs_root) == expected


def test_an_undo_gives_back_what_the_restore_replaced_and_an_undo_of_that_the_restored(
    tacacs_root: Path, back_up: BackUp
) -> None:
    before = tacacs_state(tacacs_root)
    backup = back_up()
    spoil_tacacs(tacacs_root)
    spoilt = tacacs_state(tacacs_root)
    first = restore(backup)
    undone = undo(first)
    assert tacacs_state(tacacs_root) == spoilt
    assert undone.undo_of == first
    undo(undone)
    assert tacacs_state(tacacs_root) == before


def test_a_generic_instance_comes_back_with_its_tree_and_its_file(store: Path, back_up: BackUp) -> None:
    before, rows = tree(store), all_rows(store / "orders.db")
    backup = back_up("store")
    change(store / "orders.db", "DELETE FROM orders WHERE id > 3")
    (store / "uploads" / "one.bin").unlink()
    (store / "uploads" / "new.txt").write_text("new")
    (store / "settings.ini").write_text("")
    restore(backup)
    assert all_rows(store / "orders.db") == rows
    after = tree(store)
    assert after.pop("state/restart-required.json")
    assert after.pop("state")
    assert {name: about for name, about in after.items() if name != "orders.db"} == {
        name: about for name, about in before.items() if name != "orders.db"
    }
