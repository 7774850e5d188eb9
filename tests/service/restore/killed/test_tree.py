"""A tree whose restore is killed."""

import signal
from pathlib import Path

import pytest

from backups.components.files import component
from backups.components.files.component import FilesComponent
from backups.components.files.replacing import replace as component_tree
from backups.runs.recovery.reap import reap
from tests.support.databases.sqlite_files import rows_of
from tests.support.restores.instance_restores import Tree, change, drafts, queue, restore, the_restore, tree
from tests.support.restores.killed_restores import Victims, killed_at
from tests.support.site_fixtures import BackUp, Listing

pytestmark = pytest.mark.django_db(transaction=True)
TREE_MOMENTS = {
    "tree is built": (killed_at(component_tree, "first_difference"), "old"),
    "tree is to be swapped": (killed_at(component_tree, "exchange"), "old"),
    "tree is swapped": (killed_at(component_tree, "exchange", after=True), "new"),
    "old tree is to be removed": (killed_at(component, "discard_drafts", 1), "new"),
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
