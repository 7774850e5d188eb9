"""Trees on file systems that cannot exchange names: three renames instead, of which any may fail."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from backups.components.files.replacing.replace import replace_tree
from backups.errors import ComponentError
from backups.lib.filesystem import exchange
from tests.support.restores.instance_restores import drafts, tree
from tests.support.restores.packed_trees import component_of, packed

ASIDE = "..files.restoring.aside.restoring"
Fail = Callable[..., None]


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Fail:
    """Return what makes the renames of these numbers fail."""
    monkeypatch.setattr(exchange, "RENAME_EXCHANGE", 1 << 30)
    real = os.rename

    def failing(*numbers: int) -> None:
        done = 0

        def rename(source: str, target: str, **folders: int) -> None:
            nonlocal done
            done += 1
            if done in numbers:
                raise OSError(5, "Input/output error")
            real(source, target, **folders)

        monkeypatch.setattr(os, "rename", rename)

    return failing


def test_a_tree_that_was_replaced_is_not_called_unchanged(live: Path, tmp_path: Path, fail: Fail) -> None:
    archive, new = packed(live, tmp_path / "staged"), tree(live)
    (live / "zero").write_text("changed")
    fail(3)
    with pytest.raises(ComponentError) as failed:
        replace_tree(archive, live, lambda _: None)
    assert not failed.value.untouched
    assert failed.value.message == (
        f"{live} was replaced, and what it was before cannot be renamed from {live.parent / ASIDE}: Input/output error."
    )
    assert (tree(live), drafts(live.parent)) == (new, [])


def test_a_tree_that_cannot_be_renamed_back_stays_where_it_is(live: Path, tmp_path: Path, fail: Fail) -> None:
    archive = packed(live, tmp_path / "staged")
    (live / "zero").write_text("changed")
    old = tree(live)
    fail(*range(2, 100))
    with pytest.raises(ComponentError) as failed:
        replace_tree(archive, live, lambda _: None)
    assert not failed.value.untouched
    assert failed.value.message == (
        f"{live} was renamed to {live.parent / ASIDE}, and cannot be renamed back: Input/output error."
    )
    component_of(live).remove_drafts()
    assert drafts(live.parent) == [ASIDE]
    assert tree(live.parent / ASIDE) == old
