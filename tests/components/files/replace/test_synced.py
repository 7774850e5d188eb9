"""A tree is on the disk, and was compared with its backup, before it takes the place of the one before."""

import ctypes
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from backups.components.files.replacing import replace
from backups.components.files.replacing.replace import replace_tree
from backups.errors import ComponentError, Untouched
from tests.support.restores.instance_restores import drafts, tree
from tests.support.restores.packed_trees import packed

EIO = 5


class SystemCalls:
    """Stands in for the C library: `syncfs` returns `result`, and `before` is what it found in the folder."""

    def __init__(self, result: int) -> None:
        self.result, self.threads, self.before = result, list[str](), list[str]()

    def library(self, *_: object, **__: object) -> SimpleNamespace:
        return SimpleNamespace(syncfs=self.syncfs)

    def syncfs(self, descriptor: int) -> int:
        self.threads.append(threading.current_thread().name)
        self.before = sorted(os.listdir(descriptor))
        ctypes.set_errno(EIO)
        return self.result


@pytest.fixture
def spoilt(live: Path, tmp_path: Path) -> tuple[Path, Path]:
    """The archive of a tree, and the tree, which was changed since."""
    archive = packed(live, tmp_path / "staged")
    (live / "zero").write_text("changed")
    return archive, live


def test_a_tree_that_cannot_be_synced_does_not_take_its_place(
    spoilt: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, live = spoilt
    before = tree(live)
    monkeypatch.setattr(replace.ctypes, "CDLL", SystemCalls(-1).library)
    with pytest.raises(Untouched, match=r"cannot be written: Input/output error\.$"):
        replace_tree(archive, live, lambda _: None)
    assert (tree(live), drafts(live.parent)) == (before, [])


def test_a_tree_that_differs_is_refused_after_the_sync_has_ended(
    spoilt: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, live = spoilt
    before, calls = tree(live), SystemCalls(0)
    monkeypatch.setattr(replace.ctypes, "CDLL", calls.library)
    monkeypatch.setattr(replace, "first_difference", lambda *_, **__: "zero")
    with pytest.raises(ComponentError, match="zero was not unpacked as it is in the backup") as refused:
        replace_tree(archive, live, lambda _: None)
    assert refused.value.untouched
    assert "zero" in calls.before
    assert (tree(live), drafts(live.parent)) == (before, [])


def test_a_tree_is_synced_where_no_thread_can_be_started(
    spoilt: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, live = spoilt
    real, calls = ctypes.CDLL, SystemCalls(0)

    def library(*names: object, **options: object) -> object:
        return SimpleNamespace(syncfs=calls.syncfs, renameat2=real(None, use_errno=True).renameat2)

    def submit(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(replace.ctypes, "CDLL", library)
    monkeypatch.setattr(ThreadPoolExecutor, "submit", submit)
    replace_tree(archive, live, lambda _: None)
    assert calls.threads == [threading.main_thread().name]
    assert (live / "zero").read_bytes() == b""
