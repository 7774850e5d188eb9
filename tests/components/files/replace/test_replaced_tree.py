"""The tree that a restore has replaced is removed beside the last comparison, and never before the new one is there."""

import os
import time
from pathlib import Path

import pytest

from backups.components.base import ApplyContext
from backups.components.files import component as module
from backups.components.files.component import FilesComponent
from backups.components.files.replacing.layout import Layout
from backups.errors import Cancelled
from backups.lib.beside import Checkpoint
from tests.components.files.replace.test_in_place_steps import ENTRIES
from tests.support.restores.instance_restores import Tree, drafts, tree
from tests.support.restores.packed_trees import component_of, packed


@pytest.fixture
def staged(live: Path, tmp_path: Path) -> Path:
    return packed(live, tmp_path / "staged").parent


@pytest.fixture
def replaced(live: Path, staged: Path) -> tuple[FilesComponent, Tree]:
    """The component after a restore of its tree, which is not verified yet, and the tree that was replaced."""
    (live / "zero").write_text("changed")
    before, component = tree(live), component_of(live)
    component.apply(ENTRIES, ApplyContext(staged, 1.0, lambda _: None))
    return component, before


def test_a_replaced_tree_is_kept_until_the_new_one_is_compared_and_removed_beside_that(
    live: Path, staged: Path, replaced: tuple[FilesComponent, Tree], monkeypatch: pytest.MonkeyPatch
) -> None:
    component, before = replaced
    assert drafts(live.parent) == [".files.restoring"]
    assert tree(live.with_name(".files.restoring")) == before
    real, told = module.discard_drafts, staged / "told"

    def discard(layout: Layout, checkpoint: Checkpoint) -> None:
        told.write_text(str(os.getpid()))
        real(layout, checkpoint)

    monkeypatch.setattr(module, "discard_drafts", discard)
    assert component.verify(ENTRIES, ApplyContext(staged, 1.0, lambda _: None)) == []
    assert drafts(live.parent) == []
    assert told.read_text() != str(os.getpid())


def test_a_comparison_that_is_stopped_leaves_to_the_rollback_what_is_left_of_the_replaced_tree(
    live: Path, staged: Path, replaced: tuple[FilesComponent, Tree]
) -> None:
    def stop(_: int) -> None:
        raise Cancelled("enough")

    component, _ = replaced
    after = tree(live)
    with pytest.raises(Cancelled, match=r"^enough$"):
        component.verify(ENTRIES, ApplyContext(staged, 1.0, stop))
    assert tree(live) == after
    component.apply(ENTRIES, ApplyContext(staged, 1.0, lambda _: None))
    assert component.verify(ENTRIES, ApplyContext(staged, 1.0, lambda _: None)) == []
    assert (tree(live), drafts(live.parent)) == (after, [])


@pytest.mark.parametrize("beside", [True, False])
def test_a_stop_ends_the_removal_of_the_replaced_tree(
    beside: bool, live: Path, staged: Path, replaced: tuple[FilesComponent, Tree], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, real, here = staged / "begun", module.discard_drafts, os.getpid()

    def discard(layout: Layout, checkpoint: Checkpoint) -> None:
        begun.write_text(str(os.getpid()))
        if beside:
            # it is killed before
            time.sleep(20)
        elif os.getpid() != here:
            os._exit(1)
        real(layout, checkpoint)

    def stop(_: int) -> None:
        # not before the comparison has ended
        if compared and begun.exists():
            raise Cancelled("enough")

    component, before = replaced
    compared: list[bool] = []
    first_difference = component._first_difference
    monkeypatch.setattr(
        component, "_first_difference", lambda *given: (first_difference(*given), compared.append(True))[0]
    )
    monkeypatch.setattr(module, "discard_drafts", discard)
    with pytest.raises(Cancelled, match=r"^enough$"):
        component.verify(ENTRIES, ApplyContext(staged, 1.0, stop))
    assert compared
    assert tree(live.with_name(".files.restoring")) == before


def test_a_replaced_tree_that_cannot_be_removed_is_named(
    live: Path, staged: Path, replaced: tuple[FilesComponent, Tree], monkeypatch: pytest.MonkeyPatch
) -> None:
    component, _ = replaced
    monkeypatch.setattr(module, "discard_drafts", lambda *_: None)
    (note,) = component.verify(ENTRIES, ApplyContext(staged, 1.0, lambda _: None))
    assert note == (
        f"{live.with_name('.files.restoring')}, the tree from before, could not be removed: remove it by hand"
    )
    # the next restore begins with removing it
    component.apply(ENTRIES, ApplyContext(staged, 1.0, lambda _: None))
    monkeypatch.undo()
    assert component.verify(ENTRIES, ApplyContext(staged, 1.0, lambda _: None)) == []
    assert drafts(live.parent) == []
