"""Trees on file systems that cannot exchange names: three renames instead, of which any may fail."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from backups.components.files.replacing import replace
from backups.components.files.replacing.replace import replace_tree
from backups.errors import ComponentError, Untouched
from backups.lib.filesystem import exchange
from tests.support.paths import PROJECT
from tests.support.restores.instance_restores import drafts, tree
from tests.support.restores.packed_trees import component_of, packed

ASIDE = "..files.restoring.aside.restoring"
Fail = Callable[..., None]


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Fail:
    """Return what makes the renames of these numbers fail."""
    monkeypatch.setattr(exchange, "RENAME_EXCHANGE", 1 << 30)
    monkeypatch.setattr(exchange, "PAUSES", (0.0, 0.0))
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
    old = tree(live)
    fail(*range(3, 100))
    with pytest.raises(ComponentError) as failed:
        replace_tree(archive, live, lambda _: None)
    assert not failed.value.untouched
    assert failed.value.message == (
        f"{live} was replaced, and what it was before cannot be renamed from {live.parent / ASIDE}: Input/output error."
    )
    assert (tree(live), drafts(live.parent), tree(live.parent / ASIDE)) == (new, [ASIDE], old)


def test_an_exchange_whose_last_rename_fails_is_reverted(live: Path, tmp_path: Path, fail: Fail) -> None:
    archive = packed(live, tmp_path / "staged")
    (live / "zero").write_text("changed")
    old = tree(live)
    fail(3, 4, 5)
    with pytest.raises(Untouched, match=r"cannot be replaced: Input/output error\.$"):
        replace_tree(archive, live, lambda _: None)
    assert (tree(live), drafts(live.parent)) == (old, [])


@pytest.mark.parametrize("failing", [(2, 3, 4), (3, 4)])
def test_a_rename_without_which_a_name_is_missing_is_tried_again(
    failing: tuple[int, ...], live: Path, tmp_path: Path, fail: Fail
) -> None:
    archive, new = packed(live, tmp_path / "staged"), tree(live)
    (live / "zero").write_text("changed")
    old = tree(live)
    fail(*failing)
    if failing[0] == 2:
        with pytest.raises(Untouched):
            replace_tree(archive, live, lambda _: None)
    else:
        replace_tree(archive, live, lambda _: None)
    assert (tree(live), drafts(live.parent)) == (old if failing[0] == 2 else new, [])


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


KILLED = """
import os, signal, sys
from pathlib import Path
from backups.components.files.replacing.replace import replace_tree
from backups.lib.filesystem import exchange
exchange.RENAME_EXCHANGE = 1 << 30
real, done = os.rename, 0
def rename(*arguments, **folders):
    global done
    done += 1
    if done > int(sys.argv[3]): os.kill(os.getpid(), signal.SIGKILL)
    real(*arguments, **folders)
os.rename = rename
replace_tree(Path(sys.argv[1]), Path(sys.argv[2]), lambda _: None)
"""


def kill(archive: Path, live: Path, *, after: int) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(archive), str(live), str(after)],
        check=False, cwd=PROJECT,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL


@pytest.mark.parametrize(("after", "left"), [(1, [ASIDE, ".files.restoring"]), (2, [ASIDE])])
@pytest.mark.usefixtures("fail")
def test_the_first_restore_after_a_kill_succeeds(after: int, left: list[str], live: Path, tmp_path: Path) -> None:
    archive = packed(live, tmp_path / "staged")
    (live / "zero").write_text("changed")
    old, safety = tree(live), packed(live, tmp_path / "safety")
    kill(archive, live, after=after)
    assert drafts(live.parent) == left
    replace_tree(safety, live, lambda _: None)
    assert (tree(live), drafts(live.parent)) == (old, [])


def test_a_restore_that_fails_after_a_kill_gives_the_tree_its_name_again(
    live: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = packed(live, tmp_path / "staged")
    (live / "zero").write_text("changed")
    old, safety = tree(live), packed(live, tmp_path / "safety")
    kill(archive, live, after=1)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(replace, "_build", full)
    with pytest.raises(Untouched, match=r"cannot be written: No space left on device\.$"):
        replace_tree(safety, live, lambda _: None)
    assert (tree(live), drafts(live.parent)) == (old, [])


def test_a_tree_that_cannot_get_its_name_again_after_a_kill_stays(live: Path, tmp_path: Path, fail: Fail) -> None:
    archive, old = packed(live, tmp_path / "staged"), tree(live)
    kill(archive, live, after=1)
    fail(1)
    with pytest.raises(Untouched, match=r"service/files cannot be written: Input/output error\.$"):
        replace_tree(archive, live, lambda _: None)
    component_of(live).remove_drafts()
    assert drafts(live.parent) == [ASIDE]
    assert tree(live.parent / ASIDE) == old
